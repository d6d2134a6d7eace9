//! Periods as the clock on the wall has them, where it is changed.

use crate::support::both;

both! { periods_follow_the_clock_on_the_wall  short_periods_and_long_times }

mod scenario {
    use serde_json::{Value, json};

    use crate::aggregate::{quickest, rows, server};
    use crate::support::{Engine, Server};

    /// A zone, from when on, the groups by day, how many there are by hour, and those hours in
    /// which there are not two records.
    type Case = (
        &'static str,
        (&'static str, i64),
        &'static [(&'static str, i64)],
        (usize, &'static [(&'static str, i64)]),
    );

    // A record each half hour, 30 seconds past. Python said what is in which group:
    // z=ZoneInfo(zone); the day is t.astimezone(z).date(), the hour that of t.astimezone(z) with
    // its utcoffset(), and a group's name the first minute that is in it.
    const CASES: [Case; 8] = [
        (
            "Europe/Berlin",
            ("2026-03-28", 72),
            &[
                ("2026-03-27T23:00", 46),
                ("2026-03-28T23:00", 46),
                ("2026-03-29T22:00", 48),
                ("2026-03-30T22:00", 4),
            ],
            (72, &[]),
        ),
        (
            "Europe/Berlin",
            ("2026-10-24", 72),
            &[
                ("2026-10-23T22:00", 44),
                ("2026-10-24T22:00", 50),
                ("2026-10-25T23:00", 48),
                ("2026-10-26T23:00", 2),
            ],
            (72, &[]),
        ),
        (
            "Asia/Kolkata",
            ("2026-01-01", 48),
            &[("2025-12-31T18:30", 37), ("2026-01-01T18:30", 48), ("2026-01-02T18:30", 11)],
            (49, &[("2025-12-31T23:30", 1), ("2026-01-02T23:30", 1)]),
        ),
        // At one minute past midnight the clock went back to the day before.
        (
            "America/St_Johns",
            ("2006-10-28", 72),
            &[
                ("2006-10-27T02:30", 5),
                ("2006-10-28T02:30", 49),
                ("2006-10-29T02:30", 49),
                ("2006-10-30T03:30", 41),
            ],
            (
                74,
                &[
                    ("2006-10-27T23:30", 1),
                    ("2006-10-29T02:30", 1),
                    ("2006-10-29T02:31", 1),
                    ("2006-10-30T23:30", 1),
                ],
            ),
        ),
        // There was no 30th of December.
        (
            "Pacific/Apia",
            ("2011-12-29", 72),
            &[
                ("2011-12-28T10:00", 20),
                ("2011-12-29T10:00", 48),
                ("2011-12-30T10:00", 48),
                ("2011-12-31T10:00", 28),
            ],
            (72, &[]),
        ),
        // Summer time is half an hour.
        (
            "Australia/Lord_Howe",
            ("2026-04-04", 48),
            &[("2026-04-03T13:00", 26), ("2026-04-04T13:00", 49), ("2026-04-05T13:30", 21)],
            (49, &[("2026-04-04T15:00", 1), ("2026-04-05T23:30", 1)]),
        ),
        (
            "Australia/Lord_Howe",
            ("2026-10-03", 48),
            &[("2026-10-02T13:30", 27), ("2026-10-03T13:30", 47), ("2026-10-04T13:00", 22)],
            (49, &[("2026-10-02T23:30", 1), ("2026-10-03T15:30", 1)]),
        ),
        (
            "UTC",
            ("1969-12-30", 72),
            &[("1969-12-30T00:00", 48), ("1969-12-31T00:00", 48), ("1970-01-01T00:00", 48)],
            (72, &[]),
        ),
    ];

    fn half_hours((day, hours): (&str, i64)) -> impl Iterator<Item = Value> {
        let (month, first) = day.rsplit_once('-').unwrap();
        let (month, first) = (month.to_owned(), first.parse::<i64>().unwrap());
        let december = month == "1969-12" || month == "2011-12";
        (0..2 * hours).map(move |n| {
            let day = first + n / 48;
            let (month, day) = match (december, day) {
                (true, 32..) if month == "1969-12" => ("1970-01", day - 31),
                (true, 32..) => ("2012-01", day - 31),
                _ => (month.as_str(), day),
            };
            let time = format!("{month}-{day:02}T{:02}:{:02}:30Z", n / 2 % 24, n % 2 * 30);
            json!({"time": time, "data": {"when": time}})
        })
    }

    pub(super) async fn periods_follow_the_clock_on_the_wall(engine: Engine) {
        for case in &CASES {
            let records: Vec<Value> = half_hours(case.1).collect();
            let s = server(engine, &records).await;
            // By the engine, and from the records.
            for field in ["time", "data.when"] {
                check(&s, field, case).await;
            }
        }
        // All in one stream: the steps that an engine takes must suit every change of every zone.
        let records: Vec<Value> = CASES.iter().flat_map(|case| half_hours(case.1)).collect();
        let s = server(engine, &records).await;
        for (zone, (day, hours), days, _) in &CASES {
            let filter = format!(
                "time >= timestamp(\"{day}T00:00:00Z\") && \
                 time < timestamp(\"{day}T00:00:00Z\") + duration(\"{hours}h\")"
            );
            let level = json!({"as": "day", "field": "time", "every": "1d", "zone": zone});
            let body = json!({"filter": filter, "group_by": [level]});
            let answer = s.post("/v1/streams/calls/aggregate", body).await.expect(200);
            let expected: Vec<Value> =
                days.iter().map(|(day, n)| json!([format!("{day}:00.000000Z"), n])).collect();
            assert_eq!(rows(&answer), expected, "{zone} {day}");
        }
    }

    pub(super) async fn short_periods_and_long_times(engine: Engine) {
        let at = |time: &str| json!({"time": time, "data": {}});
        let s = server(
            engine,
            &[
                "0001-01-01T00:00:00Z",
                "1893-03-31T23:06:31.999999Z",
                "1893-03-31T23:06:32Z",
                "2026-01-01T00:00:00.000999Z",
                "2026-01-01T00:00:00.001Z",
                "9999-12-30T22:00:00Z",
            ]
            .map(at),
        )
        .await;
        let ask = async |field: &str, every: &str, zone: &str| {
            let level = json!({"as": "t", "field": field, "every": every, "zone": zone});
            let body = json!({"group_by": [level], "explain": true});
            let answer = s.post("/v1/streams/calls/aggregate", body).await.expect(200);
            let plan = answer["explain"]["plan"].as_str().unwrap().to_owned();
            let text = |row: &Value| format!("{} {}", row[0].as_str().unwrap(), row[1]);
            (rows(&answer).iter().map(text).collect::<Vec<_>>(), plan)
        };
        // Too many steps for the engine.
        let (found, plan) = ask("time", "1ms", "UTC").await;
        assert_eq!((found.len(), plan.as_str()), (6, "columns"));
        assert_eq!(found[4], "2026-01-01T00:00:00.001000Z 1");
        // Until 1893 a place had its own noon.
        let (found, _) = ask("time", "1d", "Europe/Berlin").await;
        let expected = [
            "0001-01-01T00:00:00.000000Z 1",
            "1893-03-30T23:06:32.000000Z 1",
            "1893-03-31T23:06:32.000000Z 1",
            "2025-12-31T23:00:00.000000Z 2",
            "9999-12-29T23:00:00.000000Z 1",
        ];
        assert_eq!(found, expected);
        let (found, plan) = ask("received_at", "1y", "+14:00").await;
        assert_eq!((found.len(), plan.as_str()), (1, quickest(engine)));
        assert!(found[0].ends_with("-12-31T10:00:00.000000Z 6"), "{found:?}");
    }

    async fn check(s: &Server, field: &str, (zone, (day, _), days, (count, odd)): &Case) {
        let ask = async |every: &str| {
            let level = json!({"as": "t", "field": field, "every": every, "zone": zone});
            let body = json!({"group_by": [level], "limit": 1000});
            rows(&s.post("/v1/streams/calls/aggregate", body).await.expect(200))
        };
        let row = |(time, n): &(&str, i64)| json!([format!("{time}:00.000000Z"), n]);
        let expected: Vec<Value> = days.iter().map(row).collect();
        assert_eq!(ask("1d").await, expected, "{field} {zone} {day}");
        let hours = ask("1h").await;
        assert_eq!(hours.len(), *count, "{field} {zone} {day}");
        let found: Vec<&Value> = hours.iter().filter(|row| row[1] != 2).collect();
        let expected: Vec<Value> = odd.iter().map(row).collect();
        assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{field} {zone} {day}");
    }
}

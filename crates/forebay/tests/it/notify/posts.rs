//! Notifications as a rule's transaction writes them, straight into the database.

use crate::support::Server;

const NOTIFICATION: &str = "INSERT INTO notification (id, type, rule, category, time, data, \
     created_at) VALUES ($1, 'record.matched', '', 'alert', 1, $2, 4000000000000000) \
     ON CONFLICT DO NOTHING";
const DELIVERY: &str = "INSERT INTO delivery (id, notification, channel, address, rule, data, state, \
     due_at, tries, tries_now, holder, held_until, fence, created_at, done_at) \
     VALUES ($1, $2, $3, '', '', '', 0, 1, 0, 0, '', 0, 0, 4000000000000000, 0) \
     ON CONFLICT DO NOTHING";

/// Posts notifications with these ids to each of these channels: all of them at once.
pub(super) async fn post(s: &Server, ids: &[String], channels: &[String]) {
    let deliveries = ids.iter().flat_map(|id| channels.iter().map(move |to| (id, to)));
    let deliveries: Vec<(String, &String, &String)> =
        deliveries.map(|(id, to)| (format!("{id}-{to}"), id, to)).collect();
    match &s.database {
        None => {
            let path = s.data.path().join("forebay.db");
            let mut conn = rusqlite::Connection::open(path).unwrap();
            conn.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
            let behavior = rusqlite::TransactionBehavior::Immediate;
            let work = conn.transaction_with_behavior(behavior).unwrap();
            for id in ids {
                let data = format!("{{\"id\":\"{id}\"}}");
                work.execute(&NOTIFICATION.replace('$', "?"), [id, &data]).unwrap();
            }
            for (id, notification, to) in &deliveries {
                work.execute(&DELIVERY.replace('$', "?"), [id, *notification, *to]).unwrap();
            }
            work.commit().unwrap();
        }
        Some(url) => {
            let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
            let (mut client, connection) = connected.unwrap();
            let connection = tokio::spawn(connection);
            let work = client.transaction().await.unwrap();
            for id in ids {
                let data = format!("{{\"id\":\"{id}\"}}");
                work.execute(NOTIFICATION, &[id, &data]).await.unwrap();
            }
            for (id, notification, to) in &deliveries {
                work.execute(DELIVERY, &[id, *notification, *to]).await.unwrap();
            }
            work.commit().await.unwrap();
            drop(client);
            connection.await.unwrap().unwrap();
        }
    }
}

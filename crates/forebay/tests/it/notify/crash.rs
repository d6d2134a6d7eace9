//! kill -9 while messages are on their way: none is lost, and what comes twice has the same id.

use std::collections::{HashMap, HashSet};

use super::posts::post;
use super::receiver::Way;
use super::{LOCAL, Receiver, all, start, text, until, webhook};
use crate::support::{Engine, both};

both! { no_message_is_lost }

mod scenario {
    use super::*;

    const CYCLES: usize = 30;
    const EACH: usize = 20;

    pub(super) async fn no_message_is_lost(engine: Engine) {
        let mut s = start(engine).await;
        let receiver = Receiver::start();
        let paths = ["/one", "/two", "/three", "/four"];
        let mut channels = Vec::new();
        for path in paths {
            channels.push(text(&webhook(&s, &receiver.at(path)).await, "id"));
        }
        // One that is dead has its messages wait, and holds up nobody.
        receiver.answers("/dead", Way::Never);
        channels.push(text(&webhook(&s, &receiver.at("/dead")).await, "id"));
        let (mut before, mut known) = (0, HashSet::new());
        for cycle in 0..CYCLES {
            let ids: Vec<String> = (0..EACH).map(|n| format!("c{cycle:02}-{n:03}")).collect();
            post(&s, &ids, &channels).await;
            // The moment differs from cycle to cycle; others are on their way at each.
            let moment = before + 1 + (cycle * 7) % (EACH * paths.len() - 10);
            let at_all = |came: &[super::super::receiver::Came]| {
                came.iter().filter(|came| came.path != "/dead").count() >= moment
            };
            receiver.until(at_all);
            // What is known to be delivered then never comes again. Every other time nobody asks, and
            // the process ends in the middle.
            if cycle % 2 == 0 {
                let page = s.get("/v1/deliveries?state=delivered&limit=1000").await.expect(200);
                let items = page["items"].as_array().unwrap().iter();
                let mine = items.filter(|item| ids.contains(&text(item, "notification")));
                known.extend(mine.map(|item| text(item, "id")));
            }
            s.kill();
            s.restart_with(&[LOCAL]);
            for id in &channels[..paths.len()] {
                let wanted = |items: &[serde_json::Value]| {
                    items.len() == (cycle + 1) * EACH && all("delivered")(items)
                };
                until(&s, &format!("&channel={id}"), wanted).await;
            }
            before = receiver.came().iter().filter(|came| came.path != "/dead").count();
        }
        let mut times: HashMap<(String, String), usize> = HashMap::new();
        for came in receiver.came().into_iter().filter(|came| came.path != "/dead") {
            assert_eq!(came.json()["data"]["id"], came.id());
            *times.entry((came.path.clone(), came.id().to_owned())).or_default() += 1;
        }
        assert_eq!(times.len(), CYCLES * EACH * paths.len());
        // What was on its way when the process ended may come again: once, with the next start.
        for ((path, id), times) in &times {
            let at = paths.iter().position(|known| known == path).unwrap();
            let most = if known.contains(&format!("{id}-{}", channels[at])) { 1 } else { 2 };
            assert!(*times <= most, "{path} {id}: {times}");
        }
    }
}

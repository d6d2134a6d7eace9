//! `Quotas` of another process. What was granted and is not heard of is lost, and not granted twice.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_contract::{Ask, Count, Granted, Quotas};
use forebay_model::{Code, Error, Result};
use http::Method;
use serde_json::{Value, json};

use crate::door::{Door, Place, Times};

/// How long it may take to say what is granted.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is left of quotas, as another process counts it.
pub struct RemoteQuotas {
    door: Door,
}

impl RemoteQuotas {
    /// Asks at this place.
    pub fn new(place: Place) -> Result<Arc<RemoteQuotas>> {
        Ok(Arc::new(RemoteQuotas { door: Door::new(place)? }))
    }

    async fn ask(&self, path: &str, body: Value, times: Times) -> Result<Value> {
        let asked = (Method::POST, path);
        let told = match times {
            Times::Many => self.door.ask(asked, Some(body), PATIENCE).await,
            Times::Once => self.door.ask_once(asked, body, PATIENCE).await,
        };
        told.map_err(|error| match error.code {
            Code::EngineUnavailable => {
                Error { detail: "quotas cannot be counted now".into(), ..error }
            }
            _ => error,
        })
    }
}

fn write(count: &Count) -> Value {
    let Count { key, period } = count;
    json!({"key": key, "from": period.from.micros(), "until": period.until.micros()})
}

#[async_trait]
impl Quotas for RemoteQuotas {
    async fn take(&self, count: &Count, ask: Ask) -> Result<Granted> {
        let mut body = write(count);
        let Ask { quota, need, want } = ask;
        for (name, units) in [("quota", quota), ("need", need), ("want", want)] {
            body[name] = units.into();
        }
        // Who is granted a lease twice has lost one of them.
        let told = self.ask("/internal/v1/quotas/take", body, Times::Many).await?;
        let unreadable = || Error::internal("what is said of a quota is not understood");
        let number = |name: &str| told[name].as_u64().ok_or_else(unreadable);
        Ok(Granted { granted: number("granted")?, left: number("left")? })
    }

    async fn give_back(&self, unused: Vec<(Count, u64)>) -> Result<()> {
        let all: Vec<Value> = unused
            .iter()
            .map(|(count, units)| {
                let mut one = write(count);
                one["units"] = (*units).into();
                one
            })
            .collect();
        let body = json!({"unused": all});
        self.ask("/internal/v1/quotas/give-back", body, Times::Once).await.map(|_| ())
    }
}

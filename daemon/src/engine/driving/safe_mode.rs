//! Safe mode: the daemon is there, and the engine does nothing. It is on after too many crashes, or
//! because a person asked for it, until a person leaves it.

use std::sync::Arc;

use tokio::sync::watch;

/// Whether it is on; cheap to clone.
#[derive(Debug, Clone)]
pub struct SafeMode(Arc<watch::Sender<Stage>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// On, and why.
    On(String),
    /// A person wants it to be left; what had not ended is being taken up.
    Leaving(String),
    Off,
}

impl Default for SafeMode {
    fn default() -> Self {
        Self::new(None)
    }
}

impl SafeMode {
    /// On where there is a reason.
    pub fn new(why: Option<String>) -> Self {
        Self(Arc::new(watch::Sender::new(why.map_or(Stage::Off, Stage::On))))
    }
    /// Why it is on; none where it is not.
    pub fn why(&self) -> Option<String> {
        match &*self.0.borrow() {
            Stage::On(why) | Stage::Leaving(why) => Some(why.clone()),
            Stage::Off => None,
        }
    }
    /// Asks for it to be left, and waits until it is; says whether it was on.
    pub async fn leave(&self) -> bool {
        let asked = self.0.send_if_modified(|stage| match stage {
            Stage::On(why) => {
                *stage = Stage::Leaving(std::mem::take(why));
                true
            }
            _ => false,
        });
        let mut watch = self.0.subscribe();
        let _ = watch.wait_for(|stage| *stage == Stage::Off).await;
        asked
    }
    /// Ends when somebody wants it to be left, or at once where it is not on.
    pub async fn wanted_off(&self) {
        let mut watch = self.0.subscribe();
        let _ = watch.wait_for(|stage| !matches!(stage, Stage::On(_))).await;
    }
    /// Everything is taken up: it is off.
    pub fn end(&self) {
        self.0.send_replace(Stage::Off);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_left_once_what_waits_for_it_is_done() {
        let mode = SafeMode::new(Some("three crashes".into()));
        assert_eq!(mode.why().as_deref(), Some("three crashes"));
        let (taker, other) = (mode.clone(), mode.clone());
        let taking = tokio::spawn(async move {
            taker.wanted_off().await;
            assert!(taker.why().is_some(), "nothing is accepted while it is being left");
            taker.end();
        });
        assert!(mode.leave().await);
        taking.await.unwrap();
        assert_eq!(mode.why(), None);
        assert!(!other.leave().await);
        SafeMode::default().wanted_off().await;
    }
}

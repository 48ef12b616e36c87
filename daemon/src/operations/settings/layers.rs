//! The four places a value may come from, and the handle that answers which holds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value as Json;
use tokio::sync::watch;

use super::declare::{Declaration, Setting, Value};
use super::table::ALL;
use crate::triggers::nearest;

/// What the environment variables of settings begin with.
pub(super) const PREFIX: &str = "A2N_SETTING__";

/// A value that is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No such setting.
    #[error("there is no setting `{key}`")]
    Unknown {
        /// As given.
        key: String,
        /// The names it may have meant.
        near: Vec<String>,
    },
    /// Not a value for it.
    #[error("{key} must be {expected}, not {given}")]
    Invalid {
        /// The setting.
        key: String,
        /// The value, shortened.
        given: String,
        /// The values allowed.
        expected: String,
    },
}

impl Fault {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { near, .. } if near.is_empty() => {
                Some("`a2n settings ls` shows all".into())
            }
            Self::Unknown { near, .. } => Some(format!("did you mean {}?", near.join(" or "))),
            Self::Invalid { key, .. } => {
                find(key).ok().map(|one| format!("the default is {}", one.default()))
            }
        }
    }
}

/// Where a value comes from; an earlier one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The daemon's environment.
    Environment,
    /// The configuration file.
    File,
    /// `appSetting.set`.
    Store,
    /// Built in.
    Default,
}

/// The values that are fixed while the daemon runs, by key; checked.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    environment: BTreeMap<&'static str, Json>,
    file: BTreeMap<&'static str, Json>,
}

impl Layers {
    /// Takes the variables that begin with `A2N_SETTING__`; the others are not its business.
    pub fn add_environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        for (name, text) in variables {
            if !name.starts_with(PREFIX) {
                continue;
            }
            let Some(found) = ALL.iter().find(|one| one.environment() == name) else {
                // What all begin with alike makes none nearer.
                let names: Vec<String> = ALL.iter().map(|one| one.environment()).collect();
                let ends = names.iter().filter_map(|name| name.strip_prefix(PREFIX));
                let near = nearest(&name[PREFIX.len()..], ends, 1);
                let near = near.iter().map(|end| format!("{PREFIX}{end}")).collect();
                faults.push(Fault::Unknown { key: name, near });
                continue;
            };
            let value = found.read_text(&text);
            match check(found, &value) {
                Ok(()) => drop(self.environment.insert(found.key, value)),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// What is fixed while the daemon runs: key, value, and where it is said.
    pub fn fixed_values(&self) -> Vec<(&'static str, &Json, &'static str)> {
        let said = |one: &&'static Declaration| {
            let from_environment =
                self.environment.get(one.key).map(|value| (value, "environment"));
            let found = from_environment.or_else(|| Some((self.file.get(one.key)?, "file")));
            found.map(|(value, place)| (one.key, value, place))
        };
        ALL.iter().filter_map(said).collect()
    }

    /// Takes one value of the configuration file.
    pub fn add_file(&mut self, key: &str, value: Json) -> Result<(), Fault> {
        let found = find(key)?;
        check(found, &value)?;
        self.file.insert(found.key, value);
        Ok(())
    }
}

/// Every setting's value; cheap to clone.
#[derive(Debug, Clone)]
pub struct Settings {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    layers: Layers,
    /// What the store says. Held only to look or to change one value, never across a wait.
    stored: Mutex<BTreeMap<&'static str, Json>>,
    /// What held at the start, for settings that need a restart.
    began: Mutex<BTreeMap<&'static str, (Json, Source)>>,
    changed: watch::Sender<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(Layers::default())
    }
}

impl Settings {
    /// The settings of these layers, before anything is known of the store.
    pub fn new(layers: Layers) -> Self {
        let inner = Inner {
            layers,
            stored: Mutex::default(),
            began: Mutex::default(),
            changed: watch::Sender::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes over what the store says at the start, by key; from now on settings that need a
    /// restart keep their value. A stored value that this version does not accept is left out and
    /// named.
    pub fn begin(&self, stored: impl IntoIterator<Item = (String, Json)>) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (key, value) in stored {
            if let Err(fault) = self.put(&key, Some(value)) {
                faults.push(fault);
            }
        }
        let began = ALL.iter().map(|one| (one.key, self.resolve(one))).collect();
        *lock(&self.inner.began) = began;
        self.inner.changed.send_modify(|n| *n += 1);
        faults
    }

    /// The value that holds.
    pub fn get<T: Value>(&self, setting: &Setting<T>) -> T {
        let (value, _) = self.in_effect(&setting.declaration);
        T::of(&value)
            .or_else(|| T::of(&setting.declaration.default()))
            .expect("a default has its setting's type")
    }

    /// The value that holds, and again whenever it changes.
    pub fn watch<T: Value + PartialEq + Clone>(&self, setting: &'static Setting<T>) -> Watch<T> {
        let changes = self.inner.changed.subscribe();
        Watch { settings: self.clone(), setting, last: self.get(setting), changes }
    }

    /// The declaration of a key and whether this value is one for it: ask before writing the row.
    pub fn check(&self, key: &str, value: &Json) -> Result<&'static Declaration, Fault> {
        let found = find(key)?;
        check(found, value)?;
        Ok(found)
    }

    /// Takes over what the store now says of a key, after the commit; none where it was reset.
    pub fn apply(&self, key: &str, value: Option<Json>) -> Result<(), Fault> {
        self.put(key, value)?;
        self.inner.changed.send_modify(|n| *n += 1);
        Ok(())
    }

    fn put(&self, key: &str, value: Option<Json>) -> Result<(), Fault> {
        let found = find(key)?;
        if let Some(value) = &value {
            check(found, value)?;
        }
        let mut stored = lock(&self.inner.stored);
        match value {
            Some(value) => stored.insert(found.key, value),
            None => stored.remove(found.key),
        };
        Ok(())
    }

    /// The value that the layers give, and which of them; needs a restart to hold where the
    /// setting is not live.
    pub(super) fn resolve(&self, one: &Declaration) -> (Json, Source) {
        let layers = &self.inner.layers;
        if let Some(value) = layers.environment.get(one.key) {
            (value.clone(), Source::Environment)
        } else if let Some(value) = layers.file.get(one.key) {
            (value.clone(), Source::File)
        } else if let Some(value) = lock(&self.inner.stored).get(one.key) {
            (value.clone(), Source::Store)
        } else {
            (one.default(), Source::Default)
        }
    }

    /// The value that holds now, and where it came from.
    pub(super) fn in_effect(&self, one: &Declaration) -> (Json, Source) {
        if !one.live
            && let Some(value) = lock(&self.inner.began).get(one.key)
        {
            return value.clone();
        }
        self.resolve(one)
    }

    pub(super) fn fixed(&self, one: &Declaration) -> (Option<Json>, Option<Json>) {
        let layers = &self.inner.layers;
        (layers.environment.get(one.key).cloned(), layers.file.get(one.key).cloned())
    }
}

/// A setting's value that tells when it changes.
#[derive(Debug)]
pub struct Watch<T: 'static> {
    settings: Settings,
    setting: &'static Setting<T>,
    last: T,
    changes: watch::Receiver<u64>,
}

impl<T: Value + PartialEq + Clone> Watch<T> {
    /// The value as last seen.
    pub fn value(&self) -> &T {
        &self.last
    }

    /// Ends when the value is another one, and answers it.
    pub async fn changed(&mut self) -> T {
        loop {
            // The sender lives as long as `settings`, which we hold.
            if self.changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            let value = self.settings.get(self.setting);
            if value != self.last {
                self.last = value.clone();
                return value;
            }
        }
    }
}

pub(super) fn find(key: &str) -> Result<&'static Declaration, Fault> {
    ALL.iter().copied().find(|one| one.key == key).ok_or_else(|| Fault::Unknown {
        key: key.chars().take(64).collect(),
        near: nearest(key, ALL.iter().map(|one| one.key), 2),
    })
}

fn check(one: &Declaration, value: &Json) -> Result<(), Fault> {
    one.check(value).map_err(|expected| Fault::Invalid {
        key: one.key.into(),
        given: value.to_string().chars().take(64).collect(),
        expected,
    })
}

/// A panic elsewhere leaves these maps whole: each change is one insert.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::table::{
        EXPRESSION_ENV, LOG_LEVEL, RETENTION_SUCCESS, RPC_MAX_BATCH, RPC_MAX_CONNECTIONS,
    };
    use super::*;
    use serde_json::json;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn the_environment_wins_over_the_file_over_the_store_over_the_default() {
        let mut layers = Layers::default();
        layers
            .add_environment(variables(&[
                ("A2N_SETTING__RPC__MAX_BATCH", "7"),
                ("A2N_SETTING__EXPRESSION__ENV", "HOME, LANG"),
                ("PATH", "/bin"),
            ]))
            .unwrap();
        layers.add_file("rpc.maxBatch", json!(8)).unwrap();
        layers.add_file("retention.successDays", json!(30)).unwrap();
        let settings = Settings::new(layers);
        let faults = settings.begin([
            ("rpc.maxBatch".to_owned(), json!(9)),
            ("retention.successDays".to_owned(), json!(10)),
            ("log.level".to_owned(), json!("DEBUG")),
        ]);
        assert_eq!(faults, []);
        assert_eq!(settings.get(&RPC_MAX_BATCH), 7);
        assert_eq!(settings.get(&EXPRESSION_ENV), ["HOME", "LANG"]);
        assert_eq!(settings.get(&RETENTION_SUCCESS), 30);
        assert_eq!(settings.get(&LOG_LEVEL), "DEBUG");
        settings.apply("log.level", None).unwrap();
        assert_eq!(settings.get(&LOG_LEVEL), "INFO");
    }

    #[test]
    fn a_live_setting_changes_at_once_and_another_at_the_next_start() {
        let settings = Settings::default();
        settings.begin([]);
        settings.apply("rpc.maxConnections", Some(json!(10))).unwrap();
        assert_eq!(settings.get(&RPC_MAX_CONNECTIONS), 512);
        settings.apply("retention.successDays", Some(json!(10))).unwrap();
        assert_eq!(settings.get(&RETENTION_SUCCESS), 10);
    }

    #[tokio::test]
    async fn a_watch_tells_only_of_its_own_setting() {
        let settings = Settings::default();
        let mut days = settings.watch(&RETENTION_SUCCESS);
        settings.apply("log.level", Some(json!("WARN"))).unwrap();
        settings.apply("retention.successDays", Some(json!(11))).unwrap();
        assert_eq!(days.changed().await, 11);
    }

    #[test]
    fn what_is_not_known_or_not_allowed_is_refused_by_name() {
        let settings = Settings::default();
        // The story: `step.path` took a 5, and after the next start no step found its program.
        for path in ["5", "", "/bin:bin", "/bin:"] {
            assert!(settings.check("step.path", &json!(path)).is_err(), "{path}");
        }
        settings.check("step.path", &json!("/usr/bin:/bin")).unwrap();
        let relative = settings.check("log.file", &json!("relative.log")).unwrap_err();
        assert_eq!(
            relative.to_string(),
            "log.file must be the path of a file that begins with `/`, or empty for none, not \"relative.log\""
        );
        settings.check("log.file", &json!("")).unwrap();
        let unknown = settings.check("rpc.maxBatsh", &json!(1)).unwrap_err();
        assert_eq!(unknown.hint().unwrap(), "did you mean rpc.maxBatch?");
        let invalid = settings.check("rpc.maxBatch", &json!(0)).unwrap_err();
        assert_eq!(
            invalid.to_string(),
            "rpc.maxBatch must be a whole number from 1 to 10000 (calls), not 0"
        );
        let faults = Layers::default()
            .add_environment(variables(&[
                ("A2N_SETTING__RPC__MAX_BATCHES", "1"),
                ("A2N_SETTING__RPC__MAX_IN_FLIGHT", "many"),
            ]))
            .unwrap_err();
        assert_eq!(faults.len(), 2);
        let hint = |name: &str| {
            let faults = Layers::default().add_environment(variables(&[(name, "1")]));
            faults.unwrap_err()[0].hint().unwrap()
        };
        assert_eq!(
            hint("A2N_SETTING__RPC__MAX_BATCHES"),
            "did you mean A2N_SETTING__RPC__MAX_BATCH?"
        );
        assert_eq!(hint("A2N_SETTING__RPC__NOPE"), "`a2n settings ls` shows all");
    }

    #[test]
    fn keys_and_variables_stand_once_and_defaults_pass_their_own_check() {
        let mut keys: Vec<&str> = ALL.iter().map(|one| one.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), ALL.len());
        let mut names: Vec<String> = ALL.iter().map(|one| one.environment()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        for one in ALL {
            assert_eq!(one.check(&one.default()), Ok(()), "{}", one.key);
            assert!(one.about.ends_with('.'), "{}", one.key);
        }
    }
}

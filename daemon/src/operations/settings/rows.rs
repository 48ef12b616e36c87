//! Settings as the entity `appSetting`: what the RPC answers and what the store keeps.

use a2n_proto::system::{AppSetting, SettingSource, SettingType};
use a2n_proto::{AppSettingId, Json, Timestamp, UserId};

use super::declare::{Declaration, Kind};
use super::layers::{Fault, Settings, Source, find};
use super::table::ALL;

impl Settings {
    /// Every setting as an entity, in the order of the table. `stored` gives the store's row of a
    /// key.
    pub fn rows(&self, stored: impl Fn(&str) -> Option<AppSetting>) -> Vec<AppSetting> {
        ALL.iter().map(|one| self.row_of(one, stored(one.key))).collect()
    }

    /// One setting as an entity, with what the store keeps of it.
    pub fn row(&self, key: &str, stored: Option<AppSetting>) -> Result<AppSetting, Fault> {
        Ok(self.row_of(find(key)?, stored))
    }

    /// The row to be written for `appSetting.set`, checked; its revision is one above the stored.
    pub fn set_row(
        &self,
        key: &str,
        value: &Json,
        stored: Option<AppSetting>,
        now: Timestamp,
        user: Option<UserId>,
    ) -> Result<AppSetting, Fault> {
        let one = self.check(key, &value.to_value())?;
        Ok(self.written(one, Some(value.clone()), stored, now, user))
    }

    /// The row to be written for `appSetting.reset`: it stays for its revision, without a value.
    pub fn reset_row(
        &self,
        key: &str,
        stored: Option<AppSetting>,
        now: Timestamp,
        user: Option<UserId>,
    ) -> Result<AppSetting, Fault> {
        Ok(self.written(find(key)?, None, stored, now, user))
    }

    /// Takes over a row of the store after its commit.
    pub fn apply_row(&self, row: &AppSetting) -> Result<(), Fault> {
        self.apply(&row.key, row.store_value.as_ref().map(Json::to_value))
    }

    /// The id that a setting's key gives: the same on every machine.
    pub fn id(key: &str) -> AppSettingId {
        let mut bytes = xxhash_rust::xxh3::xxh3_128(key.as_bytes()).to_be_bytes();
        // Version 8 of RFC 9562: made by a rule of our own.
        bytes[6] = (bytes[6] & 0x0f) | 0x80;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        AppSettingId::from_bytes(bytes)
    }

    /// The key of an id.
    pub fn key_of(id: AppSettingId) -> Option<&'static str> {
        ALL.iter().map(|one| one.key).find(|key| Self::id(key) == id)
    }

    fn written(
        &self,
        one: &Declaration,
        value: Option<Json>,
        stored: Option<AppSetting>,
        now: Timestamp,
        user: Option<UserId>,
    ) -> AppSetting {
        let revision = stored.as_ref().map_or(0, |row| row.revision) + 1;
        let created_at = stored.as_ref().map_or(now, |row| row.created_at);
        let mut row = self.row_of(one, stored);
        row.revision = revision;
        row.created_at = created_at;
        row.updated_at = now;
        row.updated_by = user;
        if self.fixed(one) == (None, None) {
            let holds = value.clone().unwrap_or_else(|| row.default_value.clone());
            row.needs_restart = !one.live && row.value != holds;
            if one.live {
                row.value = holds;
                row.source =
                    if value.is_some() { SettingSource::Store } else { SettingSource::Default };
            }
        }
        row.store_value = value;
        row
    }

    fn row_of(&self, one: &Declaration, stored: Option<AppSetting>) -> AppSetting {
        let (chosen, _) = self.resolve(one);
        // Value and source are of the same moment; what waits for a restart stands beside them.
        let (in_effect, source) = self.in_effect(one);
        let (environment, file) = self.fixed(one);
        let stored = stored.as_ref();
        AppSetting {
            id: Self::id(one.key),
            revision: stored.map_or(0, |row| row.revision),
            created_at: stored.map_or(Timestamp::default(), |row| row.created_at),
            updated_at: stored.map_or(Timestamp::default(), |row| row.updated_at),
            key: one.key.into(),
            needs_restart: in_effect != chosen,
            value: in_effect.into(),
            data_type: match one.kind {
                Kind::Number { .. } => SettingType::Number,
                Kind::Boolean { .. } => SettingType::Boolean,
                Kind::Text { .. } | Kind::Folders { .. } | Kind::File => SettingType::String,
                Kind::List { .. } => SettingType::Array,
                Kind::Rates => SettingType::Json,
            },
            description: one.about.into(),
            category: one.category().into(),
            is_public: one.public,
            is_editable: true,
            validation_rule: one.rule().into(),
            default_value: one.default().into(),
            environment: Some(one.environment()),
            tags: Vec::new(),
            source: match source {
                Source::Environment => SettingSource::Environment,
                Source::File => SettingSource::File,
                Source::Store => SettingSource::Store,
                Source::Default => SettingSource::Default,
            },
            environment_value: environment.map(Json::from),
            file_value: file.map(Json::from),
            store_value: stored.and_then(|row| row.store_value.clone()),
            is_live: one.live,
            updated_by: stored.and_then(|row| row.updated_by),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layers::Layers;
    use super::super::table::{LOG_FILES, LOG_LEVEL};
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_set_is_written_applied_and_taken_back() {
        let settings = Settings::default();
        settings.begin([]);
        let now = Timestamp::from_unix_ms(5);
        let value = Json::from(json!("WARN"));
        let row = settings.set_row("log.level", &value, None, now, None).unwrap();
        assert_eq!((row.revision, row.source), (1, SettingSource::Store));
        assert_eq!(settings.get(&LOG_LEVEL), "INFO", "not before the commit");
        settings.apply_row(&row).unwrap();
        assert_eq!(settings.get(&LOG_LEVEL), "WARN");
        let row = settings.reset_row("log.level", Some(row), now, None).unwrap();
        settings.apply_row(&row).unwrap();
        assert_eq!((row.revision, row.value.as_str()), (2, "\"INFO\""));
        assert_eq!(settings.get(&LOG_LEVEL), "INFO");
        assert!(
            settings.set_row("log.level", &Json::from(json!("LOUD")), None, now, None).is_err()
        );
    }

    #[test]
    fn a_row_says_what_waits_for_a_restart_and_what_wins() {
        let mut layers = Layers::default();
        layers.add_file("log.level", json!("ERROR")).unwrap();
        let settings = Settings::new(layers);
        settings.begin([]);
        let now = Timestamp::from_unix_ms(5);
        let row = settings.set_row("log.files", &Json::from(json!(3)), None, now, None).unwrap();
        assert!(row.needs_restart);
        assert_eq!(row.value.as_str(), "14");
        settings.apply_row(&row).unwrap();
        assert_eq!(settings.get(&LOG_FILES), 14);
        let shown = settings.row("log.files", Some(row)).unwrap();
        assert!(shown.needs_restart);
        assert_eq!((shown.value.as_str(), shown.source), ("14", SettingSource::Default));
        assert_eq!(shown.store_value, Some(Json::from(json!(3))));
        let level = settings.set_row("log.level", &Json::from(json!("WARN")), None, now, None);
        let level = level.unwrap();
        assert_eq!((level.source, level.value.as_str()), (SettingSource::File, "\"ERROR\""));
        assert_eq!(Settings::key_of(level.id), Some("log.level"));
        assert_eq!(settings.rows(|_| None).len(), ALL.len());
    }
}

//! What is wrong with the configuration of a trigger, whatever its kind; for the documents that
//! declare triggers and for those made by themselves. Paths of problems begin below the trigger.

use std::sync::LazyLock;

use a2n_proto::workflow::TriggerType;
use a2n_proto::{Problem, Severity, Timestamp};
use serde_json::Value;

use super::schema::Schema;
use crate::engine::check::error;
use crate::triggers::manual::Manual;
use crate::triggers::schedule::{Schedule, Zone};
use crate::triggers::{NOT_ARMED, event, webhook};

static WEBHOOK: LazyLock<Schema> = LazyLock::new(|| schema(&webhook::schema()));
static EVENT: LazyLock<Schema> = LazyLock::new(|| schema(&event::schema()));

fn schema(schema: &Value) -> Schema {
    Schema::of_constants(schema).expect("a trigger's schema is one")
}

/// Everything that is wrong with a configuration, and what is worth knowing. `zone` is the host's.
pub fn problems(
    kind: TriggerType,
    configuration: &Value,
    zone: &Zone,
    now: Timestamp,
) -> Vec<Problem> {
    let found = match kind {
        TriggerType::Manual => Manual::parse(configuration).err().unwrap_or_default(),
        TriggerType::Schedule => scheduled(configuration, zone, now),
        TriggerType::Webhook => not_armed(&WEBHOOK, webhook::check(configuration), configuration),
        TriggerType::Event => not_armed(&EVENT, event::check(configuration), configuration),
    };
    found.into_iter().map(below_configuration).collect()
}

fn scheduled(configuration: &Value, zone: &Zone, now: Timestamp) -> Vec<Problem> {
    let mut problems = Schedule::problems(configuration, zone);
    let parsed = Schedule::parse(configuration, zone);
    if parsed.is_ok_and(|schedule| schedule.next_after(now).is_none()) {
        let path = if configuration.get("schedule").is_some() { "schedule.at" } else { "at" };
        let message = "this time has passed: the trigger will start nothing".to_owned();
        let told = error(path, "AT_PAST", message, Some("write a time to come".to_owned()));
        problems.push(Problem { severity: Severity::Warning, ..told });
    }
    problems
}

fn not_armed(schema: &Schema, more: Vec<Problem>, configuration: &Value) -> Vec<Problem> {
    let mut problems = schema.check("", configuration);
    problems.extend(more);
    let message = NOT_ARMED.to_owned();
    let hint = "use a SCHEDULE or MANUAL trigger".to_owned();
    let told = error("type", "UNSUPPORTED", message, Some(hint));
    problems.push(Problem { severity: Severity::Warning, ..told });
    problems
}

fn below_configuration(problem: Problem) -> Problem {
    let path = match problem.path.as_str() {
        "type" => return problem,
        "" => "configuration".to_owned(),
        path => format!("configuration.{path}"),
    };
    Problem { path, ..problem }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_760_000_000_000);

    #[test]
    fn a_time_that_has_passed_is_a_warning() {
        let at = |at: &str| check(TriggerType::Schedule, json!({"schedule": {"at": at}}));
        assert_eq!(at("2035-01-01T00:00:00Z"), "");
        assert_eq!(
            at("2001-01-01T00:00:00Z"),
            "! configuration.schedule.at AT_PAST: this time has passed: the trigger will start nothing [write a time to come]"
        );
    }

    fn check(kind: TriggerType, configuration: Value) -> String {
        let lines = problems(kind, &configuration, &Zone::utc(), NOW).into_iter().map(|p| {
            let sign = if p.severity == Severity::Error { "✗" } else { "!" };
            let hint = p.hint.map(|hint| format!(" [{hint}]")).unwrap_or_default();
            format!("{sign} {} {}: {}{hint}", p.path, p.code, p.message)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_webhook_may_say_all_that_the_contract_names() {
        insta::assert_snapshot!(check(TriggerType::Webhook, json!({"webhook": {
            "path": "/hooks/git", "method": "POST",
            "authentication": {"type": "HMAC", "credential": "github"},
            "responseMode": "LAST_NODE", "responseFormat": "JSON", "maxBodyBytes": 1_000_000,
            "preset": "GITHUB", "replayWindow": "5m",
            "dedupe": {"header": "X-GitHub-Delivery", "window": 604_800_000},
            "allowedIps": ["192.0.2.0/24", "2001:db8::1"],
        }})), @"! type UNSUPPORTED: this version does not arm WEBHOOK and EVENT triggers [use a SCHEDULE or MANUAL trigger]");
        let hash = json!({"webhook": {"path": "/a", "dedupe": {"header": "BODY_HASH"}}});
        assert_eq!(check(TriggerType::Webhook, hash).lines().count(), 1);
    }

    /// What happened: of a webhook only the path was looked at, of an event nothing.
    #[test]
    fn everything_wrong_with_a_webhook_is_told() {
        insta::assert_snapshot!(check(TriggerType::Webhook, json!({"webhook": {
            "path": "no slash", "methods": ["POST"], "method": "{{ item.method }}",
            "authentication": {"type": "DIGEST"}, "responseMode": "LATER", "maxBodyBytes": 0,
            "replayWindow": "soon", "dedupe": {"by": "x", "window": -1},
            "allowedIps": ["10.0.0.0/33", 7],
        }, "path": "/a"})), @r#"
        ✗ configuration.webhook.method WRONG_VALUE: `{{ item.method }}` is not allowed here [use one of: `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`]
        ✗ configuration.webhook.authentication.type WRONG_VALUE: `DIGEST` is not allowed here [use one of: `NONE`, `API_KEY`, `BASIC`, `BEARER`, `HMAC`]
        ✗ configuration.webhook.responseMode WRONG_VALUE: `LATER` is not allowed here [use one of: `IMMEDIATE`, `LAST_NODE`, `RESPOND_NODE`]
        ✗ configuration.webhook.maxBodyBytes WRONG_VALUE: 0 is less than the minimum of 1 [write 1 or more; what is meant: The longest body that is taken, in bytes.]
        ✗ configuration.webhook.dedupe.window WRONG_VALUE: -1 is less than the minimum of 0 [write 0 or more; what is meant: How long a delivery is remembered. Milliseconds, or a text such as 30s or 7d.]
        ✗ configuration.webhook.dedupe.by UNKNOWN_MEMBER: there is no member `by` here [there are: header, window]
        ✗ configuration.webhook.dedupe.header MISSING_MEMBER: `header` is missing [add `header`]
        ✗ configuration.webhook.allowedIps[1] WRONG_TYPE: 7 is not of type string [write a text, in quotes where it looks like something else]
        ✗ configuration.webhook.methods UNKNOWN_MEMBER: there is no member `methods` here [did you mean `method`?]
        ✗ configuration.path UNKNOWN_MEMBER: there is no member `path` here [there are: webhook]
        ✗ configuration.webhook.path BAD_PATH: `no slash` is not a path [begin with / and use the characters a-z A-Z 0-9 - . _ ~ between them]
        ✗ configuration.webhook.replayWindow BAD_LENGTH: `soon` is not a length of time [write milliseconds or a text such as "30s"]
        ✗ configuration.webhook.allowedIps[0] BAD_ADDRESS: `10.0.0.0/33` is not an address or a network [for example 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32]
        ! type UNSUPPORTED: this version does not arm WEBHOOK and EVENT triggers [use a SCHEDULE or MANUAL trigger]
        "#);
        insta::assert_snapshot!(check(TriggerType::Webhook, json!({"webhook": {
            "authentication": {"type": "BASIC"}, "dedupe": {"header": "two words"},
        }})), @"
        ✗ configuration.webhook.path MISSING_MEMBER: `path` is missing [add `path`]
        ✗ configuration.webhook.authentication.credential MISSING_CREDENTIAL: authentication of type BASIC needs a credential [name the credential that requests are checked against]
        ✗ configuration.webhook.dedupe.header BAD_HEADER: `two words` is not the name of a header [for example X-GitHub-Delivery, or BODY_HASH]
        ! type UNSUPPORTED: this version does not arm WEBHOOK and EVENT triggers [use a SCHEDULE or MANUAL trigger]
        ");
        insta::assert_snapshot!(check(TriggerType::Webhook, json!({"path": "/a"})), @"
        ✗ configuration.path UNKNOWN_MEMBER: there is no member `path` here [there are: webhook]
        ✗ configuration.webhook MISSING_MEMBER: `webhook` is missing [add `webhook`]
        ! type UNSUPPORTED: this version does not arm WEBHOOK and EVENT triggers [use a SCHEDULE or MANUAL trigger]
        ");
        insta::assert_snapshot!(check(TriggerType::Webhook, json!("/a")), @"
        ✗ configuration WRONG_TYPE: `/a` is not of type object [write members: {name: value}]
        ! type UNSUPPORTED: this version does not arm WEBHOOK and EVENT triggers [use a SCHEDULE or MANUAL trigger]
        ");
    }

    #[test]
    fn an_event_may_say_all_that_the_contract_names() {
        insta::assert_snapshot!(check(TriggerType::Event, json!({"event": {
            "source": "/var/spool/in", "eventType": "FILE", "filters": {"suffix": ".csv"},
            "debounce": "2s", "batchWindow": 5_000,
            "rateLimit": {"requests": 10, "window": "1m", "burst": 3},
        }})), @"! type UNSUPPORTED: this version does not arm WEBHOOK and EVENT triggers [use a SCHEDULE or MANUAL trigger]");
    }

    #[test]
    fn everything_wrong_with_an_event_is_told() {
        insta::assert_snapshot!(check(TriggerType::Event, json!({"event": {
            "sorce": "/var", "eventType": "FILES", "filters": "*.csv", "debounce": "a while",
            "batchWindow": true, "rateLimit": {"requests": 0},
        }})), @r#"
        ✗ configuration.event.eventType WRONG_VALUE: `FILES` is not allowed here [use one of: `FILE`, `UNIT`, `JOURNAL`, `CUSTOM`, `WORKFLOW`, `HEALTH`, `CREDENTIAL`, `HEARTBEAT`, `THRESHOLD`, `PROCESS`, `BOOT`, `NATS`, `MQTT`]
        ✗ configuration.event.filters WRONG_TYPE: `*.csv` is not of type array or object [write a list: [a, b], or members: {name: value}]
        ✗ configuration.event.batchWindow WRONG_TYPE: true is not of type integer or string [write a whole number without quotes, or a text, in quotes where it looks like something else]
        ✗ configuration.event.rateLimit.window MISSING_MEMBER: `window` is missing [add `window`]
        ✗ configuration.event.rateLimit.requests WRONG_VALUE: 0 is less than the minimum of 1 [write 1 or more; what is meant: So many.]
        ✗ configuration.event.sorce UNKNOWN_MEMBER: there is no member `sorce` here [did you mean `source`?]
        ✗ configuration.event.debounce BAD_LENGTH: `a while` is not a length of time [write milliseconds or a text such as "30s"]
        ! type UNSUPPORTED: this version does not arm WEBHOOK and EVENT triggers [use a SCHEDULE or MANUAL trigger]
        "#);
        insta::assert_snapshot!(check(TriggerType::Event, json!({})), @"
        ✗ configuration.event MISSING_MEMBER: `event` is missing [add `event`]
        ! type UNSUPPORTED: this version does not arm WEBHOOK and EVENT triggers [use a SCHEDULE or MANUAL trigger]
        ");
    }

    #[test]
    fn manual_and_schedule_name_their_own_place() {
        insta::assert_snapshot!(check(TriggerType::Manual, json!({"webhook": {"path": "/a"}})), @"✗ configuration.webhook UNKNOWN_MEMBER: `webhook` is not a member of a manual trigger [known are requireConfirmation, parameters]");
        insta::assert_snapshot!(check(TriggerType::Manual, json!([1])), @"✗ configuration BAD_TRIGGER: the configuration must be an object [write {manual: {parameters: {…}}}]");
        insta::assert_snapshot!(check(TriggerType::Schedule, json!(null)), @r#"✗ configuration BAD_SCHEDULE: the configuration must be an object [write {schedule: {cron: "17 * * * *"}}]"#);
        insta::assert_snapshot!(check(TriggerType::Schedule, json!({"schedule": {
            "cron": "0 2 * * *", "overlap": "NEVER", "misfireMax": 0, "jitter": "soon",
        }})), @r#"
        ✗ configuration.schedule.jitter BAD_SCHEDULE: `jitter` must be a length of at most 1 days [write milliseconds or a text such as "30s"]
        ✗ configuration.schedule.misfireMax BAD_SCHEDULE: `misfireMax` must be a number from 1 to 10000 [leave it out for 100]
        ✗ configuration.schedule.overlap BAD_SCHEDULE: `overlap` must be one of QUEUE, ALLOW, SKIP, REPLACE [leave it out for QUEUE]
        "#);
        insta::assert_snapshot!(check(TriggerType::Schedule, json!({"schedule": {
            "at": "2026-03-29T02:30", "timezone": "Europe/Berlin",
        }})), @"! configuration.schedule.at DST_GAP: 2026-03-29: 02:30 does not exist, runs at 03:00 (Europe/Berlin) [write a time that the clock shows that day]");
    }
}

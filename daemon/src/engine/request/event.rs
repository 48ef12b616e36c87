//! Events: telling of one (`emit`), and waiting for one (`wait` with `event`).

use a2n_proto::event::Event;
use a2n_proto::{Json, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::with_member;
use crate::engine::kind::{Item, NodeError};
use crate::engine::request::Reply;

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmitRequest {
    /// What sort of thing.
    pub event_type: String,
    /// Where it happened; the workflow's name where absent.
    pub source: Option<String>,
    /// What there is to know about it.
    pub data: Json,
    /// Whether the workflows of all users see it.
    pub shared: bool,
    /// What goes on.
    pub items: Vec<Item>,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRequest {
    /// What sort of thing.
    pub event_type: String,
    /// Where it has to happen; anywhere where absent.
    pub source: Option<String>,
    /// What its data has to hold; `null` for anything.
    pub matching: Json,
    /// Only events with a greater number count.
    pub after: u64,
    /// When it is over by itself.
    pub until: Option<Timestamp>,
    /// What then goes on.
    pub items: Vec<Item>,
}

impl EmitRequest {
    /// The items, each with the event's number and moment.
    pub fn told(&self, event: &Event) -> Reply {
        let member = Json::from(json!({"seq": event.seq, "at": event.at}));
        Ok(with_member(&self.items, "event", &member))
    }
}

impl EventRequest {
    /// Whether this is the event. Who may see it is not asked here.
    pub fn is_met(&self, event: &Event) -> bool {
        event.seq > self.after
            && event.event_type == self.event_type
            && self.source.as_ref().is_none_or(|source| *source == event.source)
            && (self.matching.is_null() || holds(&event.data.to_value(), &self.matching.to_value()))
    }

    /// The items, each with the event.
    pub fn met(&self, event: &Event) -> Reply {
        let member = Json::of(&Told {
            seq: event.seq,
            at: event.at,
            source: &event.source,
            event_type: &event.event_type,
            data: &event.data,
        });
        Ok(with_member(&self.items, "event", &member))
    }

    /// Nothing came in time.
    pub fn late(&self) -> Reply {
        Err(NodeError::new("TIMEOUT", format!("no event {} came in time", self.event_type)))
    }

    /// What it waits for, in a line.
    pub fn detail(&self) -> String {
        let source = self.source.as_ref().map(|source| format!(" from {source}"));
        let matching = (!self.matching.is_null()).then(|| format!(" with {}", self.matching));
        let text = [Some(format!("event {}", self.event_type)), source, matching];
        text.into_iter().flatten().collect::<String>().chars().take(300).collect()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'e> {
    seq: u64,
    at: Timestamp,
    source: &'e str,
    #[serde(rename = "type")]
    event_type: &'e str,
    data: &'e Json,
}

/// Whether a value has all that is wanted: objects member by member, everything else as it is.
/// Numbers count by value.
pub fn holds(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Object(members), Value::Object(wanted)) => wanted.iter().all(|(name, wanted)| {
            match members.get(name) {
                Some(value) => holds(value, wanted),
                // What is not there is as good as nothing.
                None => wanted.is_null(),
            }
        }),
        (Value::Number(value), Value::Number(wanted)) => {
            value == wanted || (value.as_f64() == wanted.as_f64() && value.as_f64().is_some())
        }
        (value, wanted) => value == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kind::Outcome;
    use a2n_proto::UserId;

    fn event(seq: u64, data: &str) -> Event {
        Event {
            seq,
            at: Timestamp::from_unix_ms(seq as i64),
            source: "nas".into(),
            event_type: "backup.done".into(),
            data: Json::parse(data).unwrap(),
            data_bytes: 0,
            shared: false,
            user_id: UserId::from_bytes([1; 16]),
            execution_id: None,
            depth: 0,
        }
    }

    fn request(matching: &str) -> EventRequest {
        EventRequest {
            event_type: "backup.done".into(),
            source: None,
            matching: Json::parse(matching).unwrap(),
            after: 3,
            until: None,
            items: Vec::new(),
        }
    }

    #[test]
    fn an_event_is_met_by_number_sort_source_and_what_it_holds() {
        let met = |request: &EventRequest, event: &Event| request.is_met(event);
        assert!(!met(&request("null"), &event(3, "{}")), "it came before");
        assert!(met(&request("null"), &event(4, "7")));
        let there = EventRequest { source: Some("nas".into()), ..request("null") };
        assert!(met(&there, &event(4, "{}")));
        let elsewhere = EventRequest { source: Some("attic".into()), ..request("null") };
        assert!(!met(&elsewhere, &event(4, "{}")));
        let wanted = request(r#"{"order":{"id":7},"tags":["a"],"gone":null}"#);
        assert!(met(&wanted, &event(4, r#"{"order":{"id":7.0,"n":1},"tags":["a"],"x":1}"#)));
        for other in [
            r#"{"order":{"id":8},"tags":["a"]}"#,
            r#"{"order":{"id":"7"},"tags":["a"]}"#,
            r#"{"order":{"id":7},"tags":["a","b"]}"#,
            r#"{"order":{"id":7},"tags":["a"],"gone":1}"#,
            r#"{"order":7}"#,
            "[]",
        ] {
            assert!(!met(&wanted, &event(4, other)), "{other}");
        }
    }

    #[test]
    fn the_event_goes_on_with_the_items_as_it_was_told() {
        let items =
            vec![Json::parse(r#"{"event":1,"n":1.10}"#).unwrap(), Json::parse("7").unwrap()];
        let told = |items| {
            let request = EventRequest { items, ..request("null") };
            match request.met(&event(4, r#"{"b":1.10}"#)) {
                Ok(Outcome::Items(handles)) => {
                    let texts: Vec<&str> = handles["output"].iter().map(Json::as_str).collect();
                    texts.join("\n")
                }
                other => format!("{other:?}"),
            }
        };
        insta::assert_snapshot!(told(items), @r#"
        {"n":1.10,"event":{"seq":4,"at":"1970-01-01T00:00:00.004Z","source":"nas","type":"backup.done","data":{"b":1.10}}}
        {"value":7,"event":{"seq":4,"at":"1970-01-01T00:00:00.004Z","source":"nas","type":"backup.done","data":{"b":1.10}}}
        "#);
        assert!(told(Vec::new()).starts_with(r#"{"event":{"seq":4,"#));
    }
}

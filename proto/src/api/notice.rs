//! What a subscription sends: items, or what became of it, each with the cursor to resume from.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A subscription's id: what `subscribe` answers and each notification carries.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct SubscriptionId(pub u64);

/// Params of every `unsubscribe`. The one call whose params may also be an array: `[7]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unsubscription {
    /// The subscription to end.
    pub subscription: SubscriptionId,
}

/// Whether there was such a subscription on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Unsubscribed(pub bool);

/// `result` of a notification. `cursor` is opaque and stays good across reconnects and restarts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", untagged)]
pub enum Notice<T> {
    /// At most 100 items or 64 KiB of them.
    Items {
        /// In order.
        items: Vec<T>,
        /// After the last of them.
        cursor: String,
    },
    /// The reader was too slow; so many are to be had from the cursor.
    Lagged {
        /// How many were left out.
        lagged: u64,
        /// Before the first of them.
        cursor: String,
    },
    /// What the cursor named is no longer kept: read a snapshot, then go on.
    Gap {
        /// What is missing.
        gap: Gap,
        /// After it.
        cursor: String,
    },
    /// The last notification there is.
    End {
        /// Why.
        end: End,
    },
}

/// Numbers that are no longer kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// The first one missing.
    pub from: u64,
    /// The last one missing.
    pub to: u64,
}

/// Why a subscription ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct End {
    /// A stable name: `EXECUTION_ENDED`, `UNSUBSCRIBED`, `SHUTTING_DOWN`, `INPUT_ENDED`,
    /// `ACCESS_LOST`, `CAUGHT_UP`, `INTERNAL`.
    pub reason: String,
}

impl<T> Notice<T> {
    /// The last notification, with its reason.
    pub fn end(reason: &str) -> Self {
        Self::End { end: End { reason: reason.to_owned() } }
    }
    /// Where to resume after it; none after the end.
    pub fn cursor(&self) -> Option<&str> {
        match self {
            Self::Items { cursor, .. } | Self::Lagged { cursor, .. } | Self::Gap { cursor, .. } => {
                Some(cursor)
            }
            Self::End { .. } => None,
        }
    }
}

/// All members at once: read first, told apart afterwards, since kept JSON can't pass through
/// the buffer of an untagged enum.
#[derive(Deserialize, JsonSchema)]
struct Wire<T> {
    items: Option<Vec<T>>,
    lagged: Option<u64>,
    gap: Option<Gap>,
    end: Option<End>,
    cursor: Option<String>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Notice<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(d)?;
        if let Some(end) = wire.end {
            return Ok(Self::End { end });
        }
        let cursor = wire.cursor.ok_or_else(|| D::Error::missing_field("cursor"))?;
        match (wire.items, wire.lagged, wire.gap) {
            (Some(items), None, None) => Ok(Self::Items { items, cursor }),
            (None, Some(lagged), None) => Ok(Self::Lagged { lagged, cursor }),
            (None, None, Some(gap)) => Ok(Self::Gap { gap, cursor }),
            _ => Err(D::Error::custom("expected one of items, lagged, gap and end")),
        }
    }
}

impl<T: JsonSchema> JsonSchema for Notice<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Notice_of_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        let gap = generator.subschema_for::<Gap>();
        let end = generator.subschema_for::<End>();
        let cursor = json_schema!({"type": "string"});
        json_schema!({"oneOf": [
            {"type": "object", "required": ["items", "cursor"],
             "properties": {"items": {"type": "array", "items": item}, "cursor": cursor}},
            {"type": "object", "required": ["lagged", "cursor"],
             "properties": {"lagged": {"type": "integer", "minimum": 0}, "cursor": cursor}},
            {"type": "object", "required": ["gap", "cursor"],
             "properties": {"gap": gap, "cursor": cursor}},
            {"type": "object", "required": ["end"], "properties": {"end": end}},
        ]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Change;

    #[test]
    fn each_form_is_read_as_it_is_written() {
        for text in [
            r#"{"items":[{"seq":1,"at":"2026-11-22T12:00:00.000Z","entity":"workflow","id":"x","revision":2,"change":"UPDATED","fields":{"a":1.10},"executionId":null,"workflowId":null}],"cursor":"c"}"#,
            r#"{"lagged":7,"cursor":"c"}"#,
            r#"{"gap":{"from":1,"to":9},"cursor":"c"}"#,
            r#"{"end":{"reason":"SHUTTING_DOWN"}}"#,
        ] {
            let notice: Notice<Change> = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&notice).unwrap(), text);
        }
    }
}

//! [`Match`]: one condition of a list's filter.
//!
//! A plain value, `{"in": […]}`, `{"gte": …, "lt": …}` or `{"text": …}`. Written by hand instead of
//! as an untagged enum, so that a wrong value is reported at its place.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a row's field has to fulfil.
#[derive(Debug, Clone, PartialEq)]
pub enum Match<T> {
    /// Be this.
    Is(T),
    /// Be one of these.
    In(Vec<T>),
    /// Be at or after `gte`, and before `lt`; at least one of them is there.
    Range {
        /// Not before this.
        gte: Option<T>,
        /// Before this.
        lt: Option<T>,
    },
    /// Have these words.
    Text(String),
}

impl<T: PartialOrd> Match<T> {
    /// Whether `value` fulfils it. `Text` never holds here: texts are searched, not compared.
    pub fn holds(&self, value: &T) -> bool {
        match self {
            Self::Is(wanted) => value == wanted,
            Self::In(wanted) => wanted.contains(value),
            Self::Range { gte, lt } => {
                gte.as_ref().is_none_or(|from| value >= from)
                    && lt.as_ref().is_none_or(|to| value < to)
            }
            Self::Text(_) => false,
        }
    }
    /// Whether `value` is there and fulfils it.
    pub fn holds_some(&self, value: Option<&T>) -> bool {
        value.is_some_and(|value| self.holds(value))
    }
}

impl Match<String> {
    /// Whether a text fulfils it; words are found whatever their case.
    pub fn holds_text(&self, value: &str) -> bool {
        match self {
            Self::Is(wanted) => value == wanted,
            Self::In(wanted) => wanted.iter().any(|wanted| value == wanted),
            Self::Range { gte, lt } => {
                gte.as_deref().is_none_or(|from| value >= from)
                    && lt.as_deref().is_none_or(|to| value < to)
            }
            Self::Text(words) => {
                let value = value.to_lowercase();
                words.to_lowercase().split_whitespace().all(|word| value.contains(word))
            }
        }
    }
}

/// The object form of a condition on the wire; exactly one of its three ways is used.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Condition_on_{T}")]
pub struct MatchObject<T> {
    /// One of these.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub any_of: Option<Vec<T>>,
    /// Not before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gte: Option<T>,
    /// Before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lt: Option<T>,
    /// These words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl<T> MatchObject<T> {
    fn into_match<E: serde::de::Error>(self) -> Result<Match<T>, E> {
        match self {
            Self { any_of: Some(values), gte: None, lt: None, text: None } => Ok(Match::In(values)),
            Self { any_of: None, gte: None, lt: None, text: Some(words) } => Ok(Match::Text(words)),
            Self { any_of: None, text: None, gte, lt } if gte.is_some() || lt.is_some() => {
                Ok(Match::Range { gte, lt })
            }
            _ => Err(E::custom(
                "a condition is one of {\"in\": […]}, {\"gte\": …, \"lt\": …} and {\"text\": …}",
            )),
        }
    }
}

impl<T: Serialize> Serialize for Match<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let empty = MatchObject { any_of: None, gte: None, lt: None, text: None };
        match self {
            Self::Is(value) => value.serialize(s),
            Self::In(values) => {
                MatchObject { any_of: Some(values.iter().collect()), ..empty }.serialize(s)
            }
            Self::Range { gte, lt } => {
                MatchObject { gte: gte.as_ref(), lt: lt.as_ref(), ..empty }.serialize(s)
            }
            Self::Text(words) => MatchObject { text: Some(words.clone()), ..empty }.serialize(s),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Match<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Read(PhantomData))
    }
}

struct Read<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
    type Value = Match<T>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a condition like {\"in\": […]}")
    }
    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Match::Is)
    }
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Match::Is)
    }
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Match::Is)
    }
    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Match::Is)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        MatchObject::deserialize(MapAccessDeserializer::new(map))?.into_match()
    }
}

impl<T: JsonSchema> JsonSchema for Match<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Match_of_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        let object = generator.subschema_for::<MatchObject<T>>();
        json_schema!({"anyOf": [value, object]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::execution::ExecutionStatus;

    fn check(text: &str, expect: Result<Match<ExecutionStatus>, &str>) {
        let read = serde_json::from_str::<Match<ExecutionStatus>>(text);
        match (read, expect) {
            (Ok(read), Ok(expect)) => {
                assert_eq!(read, expect);
                assert_eq!(serde_json::to_string(&read).unwrap(), text);
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (read, expect) => panic!("{text}: {read:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn values_and_conditions_are_read_and_written() {
        check(r#""FAILED""#, Ok(Match::Is(ExecutionStatus::Failed)));
        check(
            r#"{"in":["FAILED","RUNNING"]}"#,
            Ok(Match::In(vec![ExecutionStatus::Failed, ExecutionStatus::Running])),
        );
        check(r#"{"text":"a b"}"#, Ok(Match::Text("a b".into())));
        check(r#""GONE""#, Err("unknown variant `GONE`"));
        check(r#"{"of":[]}"#, Err("unknown field `of`"));
        check("{}", Err("a condition is one of"));
    }

    #[test]
    fn a_range_takes_its_start_and_leaves_its_end() {
        let range: Match<Timestamp> =
            serde_json::from_str(r#"{"gte":"2026-01-01T00:00:00Z","lt":"2026-01-02T00:00:00Z"}"#)
                .unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(range.holds(&at("2026-01-01T00:00:00Z")));
        assert!(!range.holds(&at("2026-01-02T00:00:00Z")));
    }
}

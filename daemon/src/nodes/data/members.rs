//! The members of an item, each kept as its own JSON text: what a definition does not touch passes
//! through with its order and the digits of its numbers.

use std::collections::HashMap;
use std::fmt;

use a2n_proto::Json;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Pairs of names that are compared one by one; larger objects get an index.
const FEW_PAIRS: usize = 1_000;

/// Ordered members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Members(Vec<(String, Json)>);

impl Members {
    /// Those of an item; none where it is not an object.
    pub(crate) fn of(item: &Json) -> Option<Self> {
        item.to().ok()
    }
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
    /// Replaces a member where it stands, or adds it at the end.
    pub(crate) fn put(&mut self, name: &str, value: Json) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
    pub(crate) fn retain(&mut self, stays: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| stays(name));
    }
    /// Puts all of `other` over these.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.join(other, true);
    }
    /// Adds those of `other` that are not there yet.
    pub(crate) fn fill(&mut self, other: &Self) {
        self.join(other, false);
    }
    fn join(&mut self, other: &Self, replaces: bool) {
        if self.0.len().saturating_mul(other.0.len()) <= FEW_PAIRS {
            for (name, value) in &other.0 {
                if replaces || self.get(name).is_none() {
                    self.put(name, value.clone());
                }
            }
            return;
        }
        let places = self.0.iter().enumerate().map(|(place, (name, _))| (name.clone(), place));
        let mut places: HashMap<String, usize> = places.collect();
        for (name, value) in &other.0 {
            match places.get(name) {
                Some(place) if replaces => self.0[*place].1 = value.clone(),
                Some(_) => {}
                None => {
                    places.insert(name.clone(), self.0.len());
                    self.0.push((name.clone(), value.clone()));
                }
            }
        }
    }
    /// Size of the names' and values' texts.
    pub(crate) fn size_bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.size_bytes() + 4).sum()
    }
    /// Names and values, in their order.
    pub(crate) fn into_list(self) -> Vec<(String, Json)> {
        self.0
    }
    pub(crate) fn into_item(self) -> Json {
        Json::of(&self)
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        d.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_members_come_together_in_the_same_way() {
        for many in [1, 100] {
            let object = |from: usize, value: u32| {
                let members = (from..from + many).map(|n| (n.to_string(), Json::of(&value)));
                Members(members.collect())
            };
            let told = |members: Members| {
                let list = members.into_list().into_iter();
                list.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
            };
            let (one, other) = (object(0, 1), object(many - 1, 2));
            let told_with = |join: fn(&mut Members, &Members)| {
                let mut all = one.clone();
                join(&mut all, &other);
                told(all)
            };
            let last = many - 1;
            assert!(told_with(Members::merge).contains(&format!("{last}=2")));
            assert!(told_with(Members::fill).contains(&format!("{last}=1")));
            assert_eq!(told_with(Members::fill).split(' ').count(), 2 * many - 1);
        }
    }
}

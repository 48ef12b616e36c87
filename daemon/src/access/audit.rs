//! What an audit row keeps of a change: the members that changed, without secrets, not too large.
//!
//! Audit rows are kept for ever and read by administrators, so what goes in here is decided once:
//! values under names that secrets have are masked, passwords in URLs too, and a large value is
//! kept as its size and hash (a version keeps every definition whole).

use a2n_proto::Json;
use a2n_proto::merge_patch::{members, object};
use a2n_proto::secret_mask::MASK;
use sha2::{Digest, Sha256};

/// A value with more bytes than this is kept as its size and hash.
const LARGE_BYTES: usize = 16 * 1024;

/// What ends the name of a member with a secret in it, in lower case without `_` and `-`.
const SECRET_NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "secretkey",
    "accesskey",
    "privatekey",
    "authorization",
    "cookie",
    "encrypteddata",
    "keyhash",
    "tokenhash",
    "valuehash",
];

/// Members that change with every write and say nothing.
const BOOKKEEPING: &[&str] = &["revision", "updatedAt"];

/// `oldValues` and `newValues` of a change: of two objects only the members that differ; of
/// something new or gone (the other one is null) everything.
pub fn values(old: &Json, new: &Json) -> (Json, Json) {
    let (Some(before), Some(after)) = (members(old), members(new)) else {
        return (masked(old), masked(new));
    };
    let differing = |these: &[(String, Json)], others: &[(String, Json)]| {
        let kept: Vec<_> = these
            .iter()
            .filter(|member| !others.contains(member))
            .filter(|(name, _)| !BOOKKEEPING.contains(&name.as_str()))
            .cloned()
            .collect();
        masked(&object(&kept))
    };
    (differing(&before, &after), differing(&after, &before))
}

/// The value without secrets, large members as their size and hash.
pub fn masked(value: &Json) -> Json {
    let Some(mut all) = members(value) else {
        return without_secrets(value);
    };
    mask_members(&mut all);
    for (_, member) in &mut all {
        if member.size_bytes() > LARGE_BYTES {
            *member = fingerprint(member);
        }
    }
    object(&all)
}

fn without_secrets(value: &Json) -> Json {
    let text = value.as_str();
    match text.as_bytes().first() {
        Some(b'{') => {
            let mut all = members(value).unwrap_or_default();
            mask_members(&mut all);
            object(&all)
        }
        Some(b'[') => {
            let items: Vec<Json> = value.to().unwrap_or_default();
            Json::of(&items.iter().map(without_secrets).collect::<Vec<_>>())
        }
        Some(b'"') if text.contains("://") => {
            let plain: String = value.to().unwrap_or_default();
            Json::of(&without_passwords(&plain))
        }
        _ => value.clone(),
    }
}

fn mask_members(all: &mut [(String, Json)]) {
    // `{"name": "Authorization", "value": …}`: the name is a value itself, as in lists of headers.
    let is_named_so = all.iter().any(|(member, value)| {
        matches!(member.as_str(), "key" | "name" | "header")
            && value.to::<String>().is_ok_and(|name| is_secret_name(&name))
    });
    for (name, value) in all {
        let is_secret = is_secret_name(name)
            || is_named_so && matches!(name.as_str(), "value" | "storeValue" | "defaultValue");
        let is_there = !value.is_null() && value.as_str() != "\"\"";
        *value = if is_secret && is_there { Json::of(MASK) } else { without_secrets(value) };
    }
}

fn is_secret_name(name: &str) -> bool {
    let plain: String =
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    SECRET_NAMES.iter().any(|ending| plain.ends_with(ending))
}

/// The text with the password of each `scheme://user:password@host` masked.
fn without_passwords(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        let authority = after.find(['/', '?', '#', ' ', '"', '\n']).unwrap_or(after.len());
        rest = match after[..authority].rsplit_once('@') {
            Some((user, _)) if user.contains(':') => {
                let name = user.split(':').next().unwrap_or_default();
                masked.push_str(&format!("{name}:{MASK}"));
                &after[user.len()..]
            }
            _ => after,
        };
    }
    masked.push_str(rest);
    masked
}

fn fingerprint(value: &Json) -> Json {
    let hash = Sha256::digest(value.as_str().as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Json::from(serde_json::json!({"sizeBytes": value.size_bytes(), "sha256": hash}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expect: &str) {
        assert_eq!(masked(&Json::parse(value).unwrap()).as_str(), expect);
    }

    #[test]
    fn values_under_secret_names_are_masked_wherever_they_are() {
        check(
            r#"{"config":{"headers":{"X-Api-Key":"k","Accept":"a"},"auth":[{"DB_PASSWORD":1.10}]}}"#,
            r#"{"config":{"headers":{"X-Api-Key":"***","Accept":"a"},"auth":[{"DB_PASSWORD":"***"}]}}"#,
        );
        check(
            r#"{"key":"notify.smtp.password","value":"x","defaultValue":""}"#,
            r#"{"key":"notify.smtp.password","value":"***","defaultValue":""}"#,
        );
        check(
            r#"{"tokenUrl":"https://a/b","maxTokens":7,"n":1.10,"password":null}"#,
            r#"{"tokenUrl":"https://a/b","maxTokens":7,"n":1.10,"password":null}"#,
        );
    }

    #[test]
    fn passwords_in_addresses_are_masked() {
        check(
            r#"{"url":"postgres://bob:s3:c@ret@db:5432/x and http://a@b/ ftp://u:p@h"}"#,
            r#"{"url":"postgres://bob:***@db:5432/x and http://a@b/ ftp://u:***@h"}"#,
        );
        check(r#"{"url":"see https://x:443/a@b"}"#, r#"{"url":"see https://x:443/a@b"}"#);
    }

    #[test]
    fn a_change_keeps_only_what_differs() {
        let old = Json::parse(r#"{"id":"1","revision":1,"name":"a","tags":[1],"token":"x"}"#);
        let new = Json::parse(r#"{"id":"1","revision":2,"name":"b","tags":[1],"token":"y"}"#);
        let (old, new) = values(&old.unwrap(), &new.unwrap());
        assert_eq!(old.as_str(), r#"{"name":"a","token":"***"}"#);
        assert_eq!(new.as_str(), r#"{"name":"b","token":"***"}"#);
    }

    #[test]
    fn what_is_new_or_gone_is_kept_whole() {
        let new = Json::parse(r#"{"id":"1","name":"a"}"#).unwrap();
        let (none, kept) = values(&Json::null(), &new);
        assert!(none.is_null());
        assert_eq!(kept, new);
    }

    #[test]
    fn a_large_value_is_kept_as_its_size_and_hash() {
        let large = Json::of(&serde_json::json!({"definition": "x".repeat(LARGE_BYTES)}));
        let kept: serde_json::Value = masked(&large).to().unwrap();
        assert_eq!(kept["definition"]["sizeBytes"], LARGE_BYTES + 2);
        assert_eq!(kept["definition"]["sha256"].as_str().unwrap().len(), 64);
    }
}

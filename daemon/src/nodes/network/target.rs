//! What the `url` of a request names: a host, or a socket of this machine and a path on it.
//!
//! Looked at when a document is saved and again when an expression has given the URL.

use std::path::PathBuf;

use crate::system::http::check_url;

/// What a URL may look like.
pub(in crate::nodes) const WANTED_URL: &str =
    "http://HOST/…, https://HOST/… or unix:/path/of/socket:/http/path";

/// What is wrong with a URL as written; none where it can be asked.
pub(in crate::nodes) fn fault(written: &str) -> Option<String> {
    match target(written) {
        None => Some(format!("`{written}` is not a URL that can be asked")),
        Some((url, _)) => check_url(&url).err().map(|e| e.to_string()),
    }
}

/// URL and socket; none where it is neither, or names no host or socket.
pub(in crate::nodes) fn target(written: &str) -> Option<(String, Option<PathBuf>)> {
    if let Some(rest) = written.strip_prefix("unix:") {
        if !rest.starts_with('/') {
            return None;
        }
        let (socket, path) = match rest.find(":/") {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, "/"),
        };
        let is_socket = !socket.ends_with('/');
        return is_socket.then(|| (format!("http://localhost{path}"), Some(socket.into())));
    }
    let (scheme, rest) = written.split_once("://")?;
    let is_web = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    (is_web && has_host(rest)).then(|| (written.to_owned(), None))
}

/// Whether what comes after `://` begins with a host. URL parsers skip further slashes, so that
/// `http:///status` would ask a host called `status`.
fn has_host(rest: &str) -> bool {
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or("");
    let host = authority.rsplit('@').next().unwrap_or("");
    !host.is_empty() && !host.starts_with(':')
}

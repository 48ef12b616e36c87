//! The command line itself: its shape, and the help of every command.

use clap::CommandFactory as _;

use super::*;

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn options_win_over_the_environment() {
    let place = |words: &[&str], env: &[(&str, &str)]| {
        let words = std::iter::once("a2n").chain(words.iter().copied()).chain(["pipe"]);
        let global = Cli::try_parse_from(words).unwrap().global;
        global.place(&|name| {
            env.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
    };
    let socket = |path: &str| Some(PathBuf::from(path));
    let env = [("A2N_SOCKET", "/env.sock"), ("A2N_HOST", "ada@box")];
    assert_eq!(place(&[], &env).socket, socket("/env.sock"));
    assert_eq!(place(&[], &env).host.as_deref(), Some("ada@box"));
    assert_eq!(place(&["--socket", "/x.sock"], &env).socket, socket("/x.sock"));
    assert_eq!(place(&["--user"], &env).socket, None);
    assert_eq!(place(&["--system", "--host", "b"], &env).host.as_deref(), Some("b"));
    assert_eq!(place(&[], &[("A2N_SOCKET", "")]).socket, None);
    assert!(Cli::try_parse_from(["a2n", "--user", "--system", "pipe"]).is_err());
}

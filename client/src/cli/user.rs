//! `a2n user`: the people whom the daemon knows, and which Unix users act as them.

use std::collections::BTreeMap;

use a2n_client::{Exit, Session};
use a2n_proto::api::auth::{Link, LinkParams, Unlink, UnlinkParams};
use a2n_proto::api::user::{
    Create, CreateParams, Delete, DeleteParams, Filter, List, Update, UpdateParams,
};
use a2n_proto::api::{Match, account};
use a2n_proto::identity::{Account, Role, User, UserStatus};
use a2n_proto::{Json, UserId};
use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::ending::status_text;
use super::failure::Failure;
use super::output::{Cell, Style, Table};
use super::{Answered, Context, Outcome, ask, examples, rows};

/// Show, add and change the people whom the daemon knows
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n user ls"
    "a2n user add bob --uid 1001"
    "a2n user role bob admin"
    "a2n user suspend bob"
))]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleWord {
    /// Their own things, what is shared with them, and what is public
    User,
    /// Everyone's things, users, settings and the audit trail
    Admin,
    /// All of it, and making other owners
    Owner,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::User => Self::User,
            RoleWord::Admin => Self::Admin,
            RoleWord::Owner => Self::Owner,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List users
    #[command(after_help = examples!("a2n user ls" "a2n user ls -o wide"))]
    Ls {
        /// Those who are deleted too
        #[arg(short, long)]
        all: bool,
    },
    /// Make a user and let a Unix user act as them
    #[command(after_help = examples!(
        "a2n user add bob --uid 1001"
        "a2n user add zoe --uid $(id -u zoe) --role admin --email zoe@example.org"
    ))]
    Add {
        /// What people call them
        name: String,
        /// The Unix user's number (`id -u NAME`)
        #[arg(long)]
        uid: Option<u32>,
        /// What they may do
        #[arg(long, value_enum, default_value = "user", ignore_case = true)]
        role: RoleWord,
        /// Unique
        #[arg(long)]
        email: Option<String>,
    },
    /// Change what a user may do
    #[command(after_help = examples!("a2n user role bob admin"))]
    Role {
        /// Name, email, uid or id
        who: String,
        /// The new role
        #[arg(value_enum, ignore_case = true)]
        role: RoleWord,
    },
    /// Lock a user out at once, connections that are open included
    #[command(after_help = examples!("a2n user suspend bob"))]
    Suspend {
        /// Name, email, uid or id
        who: String,
    },
    /// Let a user in again
    #[command(after_help = examples!("a2n user resume bob"))]
    Resume {
        /// Name, email, uid or id
        who: String,
    },
    /// Let one more Unix user act as a user
    #[command(after_help = examples!("a2n user link bob 1002"))]
    Link {
        /// Name, email, uid or id
        who: String,
        /// The Unix user's number
        uid: u32,
    },
    /// Take a Unix user's way in back; a user's last one stays
    #[command(after_help = examples!("a2n user unlink 1002"))]
    Unlink {
        /// The Unix user's number
        uid: u32,
    },
    /// Delete a user: name and ways in go, their workflows are archived
    #[command(after_help = examples!("a2n user rm bob"))]
    Rm {
        /// Name, email, uid or id
        who: String,
    },
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        match self.verb.unwrap_or(Verb::Ls { all: false }) {
            Verb::Ls { all } => list(cx, &session, all).await,
            Verb::Add { name, uid, role, email } => {
                let role = Some(role.into());
                let params = CreateParams { name, email, role, uid, idempotency_key: None };
                shown(cx, &ask::<Create>(&session, &params).await?)
            }
            Verb::Role { who, role } => {
                change(cx, &session, &who, json!({"role": Role::from(role)})).await
            }
            Verb::Suspend { who } => {
                change(cx, &session, &who, json!({"status": UserStatus::Suspended})).await
            }
            Verb::Resume { who } => {
                change(cx, &session, &who, json!({"status": UserStatus::Active})).await
            }
            Verb::Link { who, uid } => {
                let user_id = find(&session, &who).await?;
                let (provider, account_id) = ("unix".to_owned(), uid.to_string());
                let params = LinkParams { provider, account_id, user_id, idempotency_key: None };
                let linked = ask::<Link>(&session, &params).await?;
                said(cx, &linked.json, uid, &format!("uid {uid} acts as {who} now"))
            }
            Verb::Unlink { uid } => {
                let (provider, account_id) = ("unix".to_owned(), uid.to_string());
                let params = UnlinkParams { provider, account_id, idempotency_key: None };
                let gone = ask::<Unlink>(&session, &params).await?;
                said(cx, &gone.json, uid, &format!("uid {uid} has no account any more"))
            }
            Verb::Rm { who } => {
                let id = find(&session, &who).await?;
                let params = DeleteParams { id, if_revision: None, idempotency_key: None };
                let gone = ask::<Delete>(&session, &params).await?;
                said(cx, &gone.json, id, &format!("{who} is deleted"))
            }
        }
    }
}

fn said(cx: &Context, json: &Json, name: impl ToString, line: &str) -> Outcome {
    cx.out.show(json, || vec![name.to_string()], |out| format!("{}\n", out.safe(line)))?;
    Ok(Exit::Done)
}

async fn change(cx: &Context, session: &Session, who: &str, patch: serde_json::Value) -> Outcome {
    let id = find(session, who).await?;
    let params =
        UpdateParams { id, patch: Json::of(&patch), if_revision: None, idempotency_key: None };
    shown(cx, &ask::<Update>(session, &params).await?)
}

/// The user that the word means: an id, else a uid, an email or a name that only one has.
async fn find(session: &Session, word: &str) -> Result<UserId, Failure> {
    if let Ok(id) = word.parse() {
        return Ok(id);
    }
    let ways =
        rows::list::<account::List, _, _>(session, account::Filter::default(), 10_000).await?;
    let way = |one: &&Account| {
        one.provider_id == "unix"
            && (one.account_id == word || one.login_name.as_deref() == Some(word))
    };
    let linked: Vec<UserId> = ways.items.iter().filter(way).map(|one| one.user_id).collect();
    let users = rows::list::<List, _, _>(session, Filter::default(), 10_000).await?;
    let is_email =
        |one: &User| one.email.as_deref().is_some_and(|email| email.eq_ignore_ascii_case(word));
    let mut found: Vec<UserId> = users
        .items
        .iter()
        .filter(|one| one.status != UserStatus::Deleted)
        .filter(|one| one.name == word || is_email(one) || linked.contains(&one.id))
        .map(|one| one.id)
        .collect();
    found.dedup();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::not_found(format!("there is no user `{word}`"))
            .hint("`a2n user ls` lists them")),
        _ => Err(Failure::usage(format!("several users are called `{word}`"))
            .hint("give the id: `a2n user ls -o wide`")),
    }
}

async fn list(cx: &Context, session: &Session, all: bool) -> Outcome {
    let (let_in, away) = (UserStatus::Active, [UserStatus::Inactive, UserStatus::Suspended]);
    let status = (!all).then(|| Match::In([&[let_in][..], &away].concat()));
    let filter = Filter { status, ..Filter::default() };
    let users = rows::list::<List, _, _>(session, filter, 10_000).await?;
    let ways = if cx.out.is_for_people() { ways_in(session).await? } else { BTreeMap::new() };
    let names = || users.items.iter().map(|user| user.name.clone()).collect();
    cx.out.show(&users.json, names, |out| {
        let mut columns = vec!["NAME~", "ROLE", "STATUS", "UNIX~", "EMAIL~"];
        if out.is_wide() {
            columns.push("ID");
        }
        let mut table = Table::new(&columns);
        for user in &users.items {
            table.row([
                user.name.as_str().into(),
                status_text(user.role).into(),
                match user.status {
                    UserStatus::Active => Cell::styled("active", Style::Good),
                    other => Cell::styled(status_text(other).to_lowercase(), Style::Wary),
                },
                Cell::or_dash(ways.get(&user.id).map(|ways| ways.join(", "))),
                Cell::or_dash(user.email.as_deref()),
                user.id.to_string().into(),
            ]);
        }
        table.text(out, "No users.")
    })?;
    Ok(Exit::Done)
}

async fn ways_in(session: &Session) -> Result<BTreeMap<UserId, Vec<String>>, Failure> {
    let rows =
        rows::list::<account::List, _, _>(session, account::Filter::default(), 10_000).await?;
    let mut ways: BTreeMap<UserId, Vec<String>> = BTreeMap::new();
    for one in rows.items {
        let text = match one.login_name {
            Some(name) => format!("{name} ({})", one.account_id),
            None => one.account_id,
        };
        ways.entry(one.user_id).or_default().push(text);
    }
    Ok(ways)
}

fn shown(cx: &Context, changed: &Answered<User>) -> Outcome {
    let user = &changed.value;
    cx.out.show(
        &changed.json,
        || vec![user.id.to_string()],
        |out| {
            let status = status_text(user.status).to_lowercase();
            format!("{} · {} · {status}\n", out.safe(&user.name), status_text(user.role))
        },
    )?;
    Ok(Exit::Done)
}

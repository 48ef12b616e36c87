//! Puts guards into what was read: operators that walk whole values become those of `operators`, which
//! count, and an index is looked at before it is hashed.
//!
//! minijinja has no way to change what it read, so it is written out anew, each piece with the place
//! that it had. On the way it is noted which names come from outside; `statements` goes on from here.

use std::collections::{BTreeSet, HashMap};

use minijinja::machinery::Span;
use minijinja::machinery::ast::{
    BinOp, BinOpKind, Call, CallArg, Compare, CompareOp, CompareOpKind, Const, Expr, Filter,
    GetAttr, GetItem, IfExpr, List, Map, Spanned, Test, Tuple, UnaryOp, UnaryOpKind, Var,
};
use minijinja::value::{Value, ValueKind};

use super::operators as guarded;

/// What is known on the way through a text.
#[derive(Debug)]
pub(super) struct Guards<'t> {
    /// Names that come from outside.
    pub(super) unknown: BTreeSet<&'t str>,
    /// Names that were given a value within, by block, and how many levels that may have.
    pub(super) given: Vec<HashMap<&'t str, usize>>,
    /// The levels of what a loop goes through that may call itself, from the outside in.
    pub(super) loops: Vec<usize>,
    /// What is nested too deep.
    pub(super) deep: Option<String>,
}

impl Default for Guards<'_> {
    fn default() -> Self {
        Self {
            unknown: BTreeSet::new(),
            given: vec![HashMap::new()],
            loops: Vec::new(),
            deep: None,
        }
    }
}

impl<'t> Guards<'t> {
    /// An expression with guards.
    pub(super) fn expr(&mut self, expr: &Expr<'t>) -> Expr<'t> {
        let span = expr.span();
        match expr {
            Expr::Var(e) => {
                if !self.given.iter().any(|names| names.contains_key(e.id)) {
                    self.unknown.insert(e.id);
                }
                Expr::Var(at(span, Var { id: e.id }))
            }
            Expr::Const(e) => constant(span, e.value.clone()),
            Expr::Slice(e) => {
                let whole = self.expr(&e.expr);
                let ends = [&e.start, &e.stop, &e.step].map(|end| {
                    self.maybe(end.as_ref()).unwrap_or_else(|| constant(span, Value::from(())))
                });
                filter(guarded::SLICE, span, whole, ends.into())
            }
            Expr::UnaryOp(e) => {
                // Neither can be copied.
                let op = if matches!(e.op, UnaryOpKind::Not) {
                    UnaryOpKind::Not
                } else {
                    UnaryOpKind::Neg
                };
                Expr::UnaryOp(at(span, UnaryOp { op, expr: self.expr(&e.expr) }))
            }
            Expr::BinOp(e) => self.operator(span, e),
            Expr::Compare(e) => self.compare(span, e),
            Expr::IfExpr(e) => {
                let (test_expr, true_expr) = (self.expr(&e.test_expr), self.expr(&e.true_expr));
                let false_expr = self.maybe(e.false_expr.as_ref());
                Expr::IfExpr(at(span, IfExpr { test_expr, true_expr, false_expr }))
            }
            Expr::Filter(e) => {
                let expr = self.maybe(e.expr.as_ref());
                Expr::Filter(at(span, Filter { name: e.name, expr, args: self.args(&e.args) }))
            }
            Expr::Test(e) => {
                let expr = self.expr(&e.expr);
                Expr::Test(at(span, Test { name: e.name, expr, args: self.args(&e.args) }))
            }
            Expr::GetAttr(e) => {
                Expr::GetAttr(at(span, GetAttr { expr: self.expr(&e.expr), name: e.name }))
            }
            Expr::GetItem(e) => self.item(span, e),
            Expr::Call(e) => Expr::Call(at(span, self.call(e))),
            Expr::List(e) => Expr::List(at(span, List { items: self.exprs(&e.items) })),
            Expr::Tuple(e) => Expr::Tuple(at(span, Tuple { items: self.exprs(&e.items) })),
            Expr::Map(e) => {
                let keys = e.keys.iter().map(|key| {
                    let place = key.span();
                    let own = self.expr(key);
                    if literal(key) { own } else { filter(guarded::KEY, place, own, vec![]) }
                });
                let keys = keys.collect();
                Expr::Map(at(span, Map { keys, values: self.exprs(&e.values) }))
            }
        }
    }

    fn exprs(&mut self, exprs: &[Expr<'t>]) -> Vec<Expr<'t>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    pub(super) fn maybe(&mut self, expr: Option<&Expr<'t>>) -> Option<Expr<'t>> {
        expr.map(|expr| self.expr(expr))
    }

    fn operator(&mut self, span: Span, e: &BinOp<'t>) -> Expr<'t> {
        if matches!(e.op, BinOpKind::Concat) {
            let (mut first, mut others) = (&e.left, vec![&e.right]);
            // A chain is one text: not a longer and longer one for each of its links. On several lines
            // minijinja knows the place of an error only by the links.
            while span.start_line == span.end_line
                && let Expr::BinOp(link) = first
                && matches!(link.op, BinOpKind::Concat)
            {
                others.push(&link.right);
                first = &link.left;
            }
            let first = self.expr(first);
            let others = others.into_iter().rev().map(|other| self.expr(other)).collect();
            return filter(guarded::CONCAT, span, first, others);
        }
        let (left, right) = (self.expr(&e.left), self.expr(&e.right));
        let lists = match e.op {
            BinOpKind::Add => !is_single(&e.left) && !is_single(&e.right),
            BinOpKind::Mul => !is_single(&e.left) || !is_single(&e.right),
            BinOpKind::Eq => return compared(span, CompareOpKind::Eq, e, left, right),
            BinOpKind::Ne => return compared(span, CompareOpKind::Ne, e, left, right),
            BinOpKind::Lt => return compared(span, CompareOpKind::Lt, e, left, right),
            BinOpKind::Lte => return compared(span, CompareOpKind::Lte, e, left, right),
            BinOpKind::Gt => return compared(span, CompareOpKind::Gt, e, left, right),
            BinOpKind::Gte => return compared(span, CompareOpKind::Gte, e, left, right),
            BinOpKind::In => return compared(span, CompareOpKind::In, e, left, right),
            _ => false,
        };
        let own = Expr::BinOp(at(span, BinOp { op: e.op, left, right }));
        if lists { filter(guarded::SETTLE, span, own, vec![]) } else { own }
    }

    fn compare(&mut self, span: Span, e: &Compare<'t>) -> Expr<'t> {
        if let [only] = e.ops.as_slice()
            && !harmless(only.op, &e.expr, &only.expr)
        {
            let (left, right) = (self.expr(&e.expr), self.expr(&only.expr));
            return compare(span, only.op, left, right);
        }
        // Those within a chain stand on both sides, and are weighed as a whole.
        let chain = e.ops.len() > 1;
        let mut side = |expr: &Expr<'t>| {
            let own = self.expr(expr);
            if !chain || is_small(expr) {
                return own;
            }
            filter(guarded::WEIGHED, expr.span(), own, vec![])
        };
        let expr = side(&e.expr);
        let ops = e.ops.iter().map(|op| CompareOp { op: op.op, expr: side(&op.expr) }).collect();
        Expr::Compare(at(span, Compare { expr, ops }))
    }

    fn item(&mut self, span: Span, e: &GetItem<'t>) -> Expr<'t> {
        let expr = self.expr(&e.expr);
        let place = e.subscript_expr.span();
        let key = self.expr(&e.subscript_expr);
        match &e.subscript_expr {
            key_expr if literal(key_expr) || is_small(key_expr) => {
                Expr::GetItem(at(span, GetItem { expr, subscript_expr: key }))
            }
            // Looked at before, not between: minijinja names what is undefined by the two
            // instructions before.
            Expr::Var(_) => {
                let looked = self.expr(&e.subscript_expr);
                let left = test(guarded::KEY, place, looked, vec![]);
                let right = Expr::GetItem(at(span, GetItem { expr, subscript_expr: key }));
                Expr::BinOp(at(span, BinOp { op: BinOpKind::ScAnd, left, right }))
            }
            _ => {
                let subscript_expr = filter(guarded::KEY, place, key, vec![]);
                Expr::GetItem(at(span, GetItem { expr, subscript_expr }))
            }
        }
    }

    pub(super) fn call(&mut self, e: &Call<'t>) -> Call<'t> {
        self.recursion(e);
        let expr = self.expr(&e.expr);
        let mut args = self.args(&e.args);
        // `loop.changed(…)` compares with what it was told before.
        if matches!(&e.expr, Expr::GetAttr(method) if method.name == "changed") {
            let weighed = |expr: Expr<'t>| filter(guarded::WEIGHED, expr.span(), expr, vec![]);
            args = args
                .into_iter()
                .map(|arg| match arg {
                    CallArg::Pos(expr) => CallArg::Pos(weighed(expr)),
                    CallArg::Kwarg(name, expr) => CallArg::Kwarg(name, weighed(expr)),
                    CallArg::PosSplat(expr) => CallArg::PosSplat(weighed(expr)),
                    CallArg::KwargSplat(expr) => CallArg::KwargSplat(weighed(expr)),
                })
                .collect();
        }
        Call { expr, args }
    }

    fn args(&mut self, args: &[CallArg<'t>]) -> Vec<CallArg<'t>> {
        let mut arg = |arg: &CallArg<'t>| match arg {
            CallArg::Pos(expr) => CallArg::Pos(self.expr(expr)),
            CallArg::Kwarg(name, expr) => CallArg::Kwarg(name, self.expr(expr)),
            CallArg::PosSplat(expr) => CallArg::PosSplat(self.expr(expr)),
            CallArg::KwargSplat(expr) => CallArg::KwargSplat(self.expr(expr)),
        };
        args.iter().map(&mut arg).collect()
    }
}

pub(super) fn at<T>(span: Span, node: T) -> Spanned<T> {
    Spanned::new(node, span)
}

fn constant<'t>(span: Span, value: Value) -> Expr<'t> {
    Expr::Const(at(span, Const { value }))
}

fn filter<'t>(name: &'static str, span: Span, of: Expr<'t>, args: Vec<Expr<'t>>) -> Expr<'t> {
    let args = args.into_iter().map(CallArg::Pos).collect();
    Expr::Filter(at(span, Filter { name, expr: Some(of), args }))
}

fn test<'t>(name: &'static str, span: Span, expr: Expr<'t>, args: Vec<Expr<'t>>) -> Expr<'t> {
    let args = args.into_iter().map(CallArg::Pos).collect();
    Expr::Test(at(span, Test { name, expr, args }))
}

fn compared<'t>(
    span: Span,
    op: CompareOpKind,
    e: &BinOp<'t>,
    left: Expr<'t>,
    right: Expr<'t>,
) -> Expr<'t> {
    if harmless(op, &e.left, &e.right) {
        return Expr::BinOp(at(span, BinOp { op: e.op, left, right }));
    }
    compare(span, op, left, right)
}

fn compare<'t>(span: Span, op: CompareOpKind, left: Expr<'t>, right: Expr<'t>) -> Expr<'t> {
    let name = match op {
        CompareOpKind::Eq => guarded::EQ,
        CompareOpKind::Ne => guarded::NE,
        CompareOpKind::Lt => guarded::LT,
        CompareOpKind::Lte => guarded::LE,
        CompareOpKind::Gt => guarded::GT,
        CompareOpKind::Gte => guarded::GE,
        CompareOpKind::In => guarded::IN,
        CompareOpKind::NotIn => {
            let within = test(guarded::IN, span, left, vec![right]);
            return Expr::UnaryOp(at(span, UnaryOp { op: UnaryOpKind::Not, expr: within }));
        }
    };
    test(name, span, left, vec![right])
}

/// Whether a comparison ends at once whatever the other side is, as most that people write do.
fn harmless(op: CompareOpKind, left: &Expr<'_>, right: &Expr<'_>) -> bool {
    match op {
        CompareOpKind::In | CompareOpKind::NotIn => {
            is_small(left) || matches!(right, Expr::List(list) if list.items.iter().all(is_small))
        }
        _ => is_small(left) || is_small(right),
    }
}

/// Whether it is a number, a truth, or a text as long as it is written.
fn is_small(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Const(e) => !matches!(
            e.value.kind(),
            ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::Plain
        ),
        Expr::UnaryOp(_) | Expr::Test(_) | Expr::Compare(_) => true,
        Expr::BinOp(e) => match e.op {
            BinOpKind::Add | BinOpKind::Mul => is_small(&e.left) && is_small(&e.right),
            BinOpKind::Concat | BinOpKind::ScAnd | BinOpKind::ScOr => false,
            _ => true,
        },
        _ => false,
    }
}

/// Whether there can be nothing within it, however long it is.
fn is_single(expr: &Expr<'_>) -> bool {
    is_small(expr) || matches!(expr, Expr::BinOp(e) if matches!(e.op, BinOpKind::Concat))
}

/// Whether it is no longer than it is written.
fn literal(expr: &Expr<'_>) -> bool {
    let constant = |expr: &Expr<'_>| matches!(expr, Expr::Const(_));
    match expr {
        Expr::List(e) => e.items.iter().all(constant),
        Expr::Tuple(e) => e.items.iter().all(constant),
        Expr::Map(e) => e.keys.iter().chain(&e.values).all(constant),
        other => constant(other),
    }
}

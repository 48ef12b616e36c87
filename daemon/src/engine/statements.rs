//! The statements of a text, written out anew with guards in their expressions, and what they give to
//! names: where a name comes from, and how deep it may be nested.

use std::collections::HashMap;

use minijinja::machinery::ast::{
    AutoEscape, Break, Call, CallArg, Continue, Do, EmitExpr, EmitRaw, Expr, FilterBlock, ForLoop,
    IfCond, List, Set, SetBlock, Stmt, Template, Tuple, Var, WithBlock,
};

use super::guards::{Guards, at};
use super::language::FUNCTIONS;

/// Most levels that a text may put around a value by giving it a name again and again.
const LEVELS: usize = 300;
/// Filters whose result has more levels than what they were given.
const NESTING: &[&str] = &["batch", "dictsort", "groupby", "items", "map", "slice", "zip"];

impl<'t> Guards<'t> {
    /// A statement with guards.
    pub(super) fn stmt(&mut self, stmt: &Stmt<'t>) -> Stmt<'t> {
        match stmt {
            Stmt::Template(s) => {
                self.give("self", 0);
                Stmt::Template(at(s.span(), Template { children: self.stmts(&s.children) }))
            }
            Stmt::EmitExpr(s) => {
                Stmt::EmitExpr(at(s.span(), EmitExpr { expr: self.expr(&s.expr) }))
            }
            Stmt::EmitRaw(s) => Stmt::EmitRaw(at(s.span(), EmitRaw { raw: s.raw })),
            Stmt::ForLoop(s) => Stmt::ForLoop(at(s.span(), self.for_loop(s))),
            Stmt::IfCond(s) => {
                let expr = self.expr(&s.expr);
                let true_body = self.block(|own| own.stmts(&s.true_body));
                let false_body = self.block(|own| own.stmts(&s.false_body));
                Stmt::IfCond(at(s.span(), IfCond { expr, true_body, false_body }))
            }
            Stmt::WithBlock(s) => {
                let block = self.block(|own| {
                    let pairs = s.assignments.iter();
                    let assignments = pairs.map(|(name, value)| own.pair(name, value)).collect();
                    WithBlock { assignments, body: own.stmts(&s.body) }
                });
                Stmt::WithBlock(at(s.span(), block))
            }
            Stmt::Set(s) => {
                let level = self.level(&s.expr);
                let (target, expr) = (self.target(&s.target, level), self.expr(&s.expr));
                Stmt::Set(at(s.span(), Set { target, expr }))
            }
            Stmt::SetBlock(s) => {
                let target = self.target(&s.target, 0);
                let filter = s.filter.as_ref().map(|filter| self.expr(filter));
                let body = self.block(|own| own.stmts(&s.body));
                Stmt::SetBlock(at(s.span(), SetBlock { target, filter, body }))
            }
            Stmt::AutoEscape(s) => {
                let enabled = self.expr(&s.enabled);
                let body = self.block(|own| own.stmts(&s.body));
                Stmt::AutoEscape(at(s.span(), AutoEscape { enabled, body }))
            }
            Stmt::FilterBlock(s) => {
                let filter = self.expr(&s.filter);
                let body = self.block(|own| own.stmts(&s.body));
                let block = FilterBlock { filter, filter_span: s.filter_span, body };
                Stmt::FilterBlock(at(s.span(), block))
            }
            Stmt::Continue(s) => Stmt::Continue(at(s.span(), Continue)),
            Stmt::Break(s) => Stmt::Break(at(s.span(), Break)),
            Stmt::Do(s) => {
                let call = at(s.call.span(), self.call(&s.call));
                Stmt::Do(at(s.span(), Do { call }))
            }
        }
    }

    fn stmts(&mut self, stmts: &[Stmt<'t>]) -> Vec<Stmt<'t>> {
        stmts.iter().map(|stmt| self.stmt(stmt)).collect()
    }

    fn for_loop(&mut self, s: &ForLoop<'t>) -> ForLoop<'t> {
        let (target, iter, filter_expr, body) = self.block(|own| {
            own.give("loop", 0);
            let level = own.level(&s.iter);
            let iter = own.expr(&s.iter);
            let target = own.target(&s.target, level);
            let filter_expr = own.maybe(s.filter_expr.as_ref());
            own.loops.extend(s.recursive.then_some(level));
            let body = own.stmts(&s.body);
            if s.recursive {
                own.loops.pop();
            }
            (target, iter, filter_expr, body)
        });
        let else_body = self.block(|own| own.stmts(&s.else_body));
        ForLoop { target, iter, filter_expr, recursive: s.recursive, body, else_body }
    }

    fn pair(&mut self, name: &Expr<'t>, value: &Expr<'t>) -> (Expr<'t>, Expr<'t>) {
        let level = self.level(value);
        (self.target(name, level), self.expr(value))
    }

    /// What is given a value: a name, or several.
    fn target(&mut self, expr: &Expr<'t>, level: usize) -> Expr<'t> {
        let span = expr.span();
        match expr {
            Expr::Var(e) => {
                self.give(e.id, level);
                Expr::Var(at(span, Var { id: e.id }))
            }
            Expr::List(e) => {
                let items = e.items.iter().map(|item| self.target(item, level)).collect();
                Expr::List(at(span, List { items }))
            }
            Expr::Tuple(e) => {
                let items = e.items.iter().map(|item| self.target(item, level)).collect();
                Expr::Tuple(at(span, Tuple { items }))
            }
            other => self.expr(other),
        }
    }

    fn give(&mut self, name: &'t str, level: usize) {
        if level > LEVELS {
            self.deep.get_or_insert_with(|| {
                format!("`{name}` may be nested {LEVELS} levels deep; this is deeper")
            });
        }
        if let Some(names) = self.given.last_mut() {
            names.insert(name, level);
        }
    }

    /// A loop that calls itself may hand on what it goes through within two more lists at most: it
    /// comes back as many levels deep as there are calls.
    pub(super) fn recursion(&mut self, e: &Call<'t>) {
        let (Expr::Var(name), Some(goes_through)) = (&e.expr, self.loops.iter().min()) else {
            return;
        };
        let goes_through = *goes_through;
        let levels = self.highest(&e.args);
        if !FUNCTIONS.contains(&name.id) && levels > goes_through + 2 {
            self.deep.get_or_insert_with(|| {
                format!("`{}` may nest what it goes through 2 levels deeper; this is more", name.id)
            });
        }
    }

    /// How many levels an expression may put around what comes from outside. What accumulates does so
    /// by names: minijinja drops a value by recursion, and a thread whose stack is over is the end.
    fn level(&self, expr: &Expr<'t>) -> usize {
        let all = |exprs: &[Expr<'t>]| exprs.iter().map(|e| self.level(e)).max().unwrap_or(0);
        match expr {
            Expr::Var(e) => {
                let given = self.given.iter().rev().find_map(|names| names.get(e.id));
                given.copied().unwrap_or(0)
            }
            Expr::Const(_) | Expr::UnaryOp(_) | Expr::Compare(_) | Expr::Test(_) => 0,
            Expr::Slice(e) => self.level(&e.expr),
            Expr::GetAttr(e) => self.level(&e.expr),
            Expr::GetItem(e) => self.level(&e.expr),
            Expr::BinOp(e) => self.level(&e.left).max(self.level(&e.right)),
            Expr::IfExpr(e) => {
                let other = e.false_expr.as_ref().map_or(0, |expr| self.level(expr));
                self.level(&e.true_expr).max(other)
            }
            Expr::Filter(e) => {
                let of = e.expr.as_ref().map_or(0, |expr| self.level(expr));
                let around = if NESTING.contains(&e.name) { 2 } else { 0 };
                of.max(self.highest(&e.args)) + around
            }
            Expr::Call(e) => self.level(&e.expr).max(self.highest(&e.args)) + 1,
            Expr::List(e) => all(&e.items) + 1,
            Expr::Tuple(e) => all(&e.items) + 1,
            Expr::Map(e) => all(&e.keys).max(all(&e.values)) + 1,
        }
    }

    fn highest(&self, args: &[CallArg<'t>]) -> usize {
        let level = |arg: &CallArg<'t>| match arg {
            CallArg::Pos(e)
            | CallArg::Kwarg(_, e)
            | CallArg::PosSplat(e)
            | CallArg::KwargSplat(e) => self.level(e),
        };
        args.iter().map(level).max().unwrap_or(0)
    }

    fn block<R>(&mut self, within: impl FnOnce(&mut Self) -> R) -> R {
        self.given.push(HashMap::new());
        let done = within(self);
        self.given.pop();
        done
    }
}

//! Plants the mutants of one file: where one acts, the text asks `crate::mutant(ID)` which way to go.
//!
//! `a < b` becomes `match (&a, &b) { (l, r) => if crate::mutant(7) { l <= r } else { l < r } }`, an arm that may be deleted gets a guard,
//! a function that may be replaced returns early. Operands are evaluated once, but for the right one of `&&`, `||` and of assignments, where
//! only one of the copies runs.

use crate::mutant::{Mutant, Place};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use std::collections::BTreeSet;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Arm, Attribute, BinOp, Block, Expr, ExprBinary, ExprRepeat, ExprStruct, ExprUnary};
use syn::{ImplItemConst, ImplItemFn, ItemConst, ItemFn, ItemMod, ItemStatic, Pat, TraitItemConst, TraitItemFn, Type};
use syn::{Variant, parse_quote};

/// The text with all its mutants, of which those in `planted` found their place.
pub struct Rewritten {
    pub text: String,
    pub planted: BTreeSet<u32>,
}

pub fn rewrite(text: &str, mutants: &[&Mutant]) -> Result<Rewritten, String> {
    let mut file = syn::parse_file(text).map_err(|error| error.to_string())?;
    let mut planter = Planter { mutants, planted: BTreeSet::new() };
    planter.visit_file_mut(&mut file);
    Ok(Rewritten { text: prettyplease::unparse(&file), planted: planter.planted })
}

/// What the build asks: is this the mutant that runs? Goes to the end of the crate's root. With RAFTCORE_QUESTIONS in the environment, a
/// program says at its end how often it asked (`cost`).
pub const QUESTION: &str = r#"
static MUTANT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(u32::MAX);
static QUESTIONS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
#[inline]
pub(crate) fn mutant(id: u32) -> bool {
    use std::sync::atomic::Ordering::Relaxed;
    QUESTIONS.store(QUESTIONS.load(Relaxed) + 1, Relaxed);
    match MUTANT.load(Relaxed) {
        u32::MAX => pick_mutant() == id,
        picked => picked == id,
    }
}
#[cold]
fn pick_mutant() -> u32 {
    let picked = std::env::var("RAFTCORE_MUTANT").ok().and_then(|id| id.parse().ok()).unwrap_or(0);
    MUTANT.store(picked, std::sync::atomic::Ordering::Relaxed);
    if std::env::var_os("RAFTCORE_QUESTIONS").is_some() {
        extern "C" fn tell() {
            eprintln!("{} questions", QUESTIONS.load(std::sync::atomic::Ordering::Relaxed));
        }
        // SAFETY: the function stays for as long as the program.
        unsafe { libc::atexit(tell) };
    }
    picked
}
"#;

struct Planter<'a> {
    mutants: &'a [&'a Mutant],
    planted: BTreeSet<u32>,
}

fn start(span: Span) -> Place {
    (span.start().line, span.start().column + 1)
}

fn end(span: Span) -> Place {
    (span.end().line, span.end().column + 1)
}

impl<'a> Planter<'a> {
    /// Takes the mutants of a genre that begin at a place.
    fn take(&mut self, genre: &str, at: Place) -> Vec<&'a Mutant> {
        let found = self.mutants.iter().copied().filter(|mutant| mutant.genre == genre && mutant.start == at);
        found.filter(|mutant| self.planted.insert(mutant.id)).collect()
    }

    /// A function's own mutants return before it begins.
    fn plant_returns(&mut self, block: &mut Block) {
        let span = block.brace_token.span;
        let (from, to) = (start(span.open()), end(span.close()));
        // Those of functions within are taken already.
        let inside = |mutant: &&&Mutant| mutant.genre == "FnValue" && mutant.start >= from && mutant.end <= to;
        let all = self.mutants;
        for mutant in all.iter().filter(inside) {
            if self.planted.contains(&mutant.id) {
                continue;
            }
            if let Ok(value) = syn::parse_str::<Expr>(&mutant.replacement) {
                self.planted.insert(mutant.id);
                let id = mutant.id;
                block.stmts.insert(0, parse_quote!(if crate::mutant(#id) { return #value; }));
            }
        }
    }

    fn plant_binary(&mut self, binary: &ExprBinary, at: Place) -> Option<Expr> {
        let mutants = self.take("BinaryOperator", at);
        if mutants.is_empty() {
            return None;
        }
        let ExprBinary { left, op, right, .. } = binary;
        let kind = Kind::of(op);
        let (l, r) = match kind {
            Kind::Assigns => (quote!(#left), quote!(#right)),
            Kind::Decides => (quote!(left__), quote!(#right)),
            Kind::Compares | Kind::Calculates => (quote!(left__), quote!(right__)),
        };
        let mut choice = quote!(#l #op #r);
        for mutant in mutants {
            match syn::parse_str::<BinOp>(mutant.replacement.trim()) {
                Ok(other) => choice = choose(mutant.id, quote!(#l #other #r), choice),
                Err(_) => _ = self.planted.remove(&mutant.id),
            }
        }
        Some(match kind {
            Kind::Assigns => parse_quote!({ #choice }),
            Kind::Decides => parse_quote!((match (#left) { left__ => #choice })),
            Kind::Compares => parse_quote!((match (&(#left), &(#right)) { (left__, right__) => #choice })),
            Kind::Calculates => parse_quote!((match (#left, #right) { (left__, right__) => #choice })),
        })
    }

    fn plant_unary(&mut self, unary: &ExprUnary, at: Place) -> Option<Expr> {
        let mutant = *self.take("UnaryOperator", at).first()?;
        let ExprUnary { op, expr, .. } = unary;
        let choice = choose(mutant.id, quote!(value__), quote!(#op value__));
        Some(parse_quote!((match (#expr) { value__ => #choice })))
    }
}

fn choose(id: u32, mutated: TokenStream, otherwise: TokenStream) -> TokenStream {
    quote!(if crate::mutant(#id) { #mutated } else { #otherwise })
}

/// How an operator treats its operands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Assigns,
    /// The right operand may not be evaluated.
    Decides,
    /// They are only looked at.
    Compares,
    Calculates,
}

impl Kind {
    fn of(op: &BinOp) -> Self {
        match op {
            BinOp::And(_) | BinOp::Or(_) => Self::Decides,
            BinOp::Eq(_) | BinOp::Ne(_) | BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_) => Self::Compares,
            _ if op.to_token_stream().to_string().ends_with('=') => Self::Assigns,
            _ => Self::Calculates,
        }
    }
}

/// Whether the operand is a `let` of a chain, which can't be moved elsewhere.
fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

impl VisitMut for Planter<'_> {
    // What is evaluated when it is compiled can't ask.
    fn visit_item_const_mut(&mut self, _: &mut ItemConst) {}
    fn visit_item_static_mut(&mut self, _: &mut ItemStatic) {}
    fn visit_impl_item_const_mut(&mut self, _: &mut ImplItemConst) {}
    fn visit_trait_item_const_mut(&mut self, _: &mut TraitItemConst) {}
    fn visit_type_mut(&mut self, _: &mut Type) {}
    fn visit_pat_mut(&mut self, _: &mut Pat) {}
    fn visit_attribute_mut(&mut self, _: &mut Attribute) {}
    fn visit_variant_mut(&mut self, _: &mut Variant) {}
    fn visit_expr_repeat_mut(&mut self, repeat: &mut ExprRepeat) {
        self.visit_expr_mut(&mut repeat.expr);
    }

    fn visit_item_mod_mut(&mut self, module: &mut ItemMod) {
        if module.ident != "tests" {
            visit_mut::visit_item_mod_mut(self, module);
        }
    }

    fn visit_item_fn_mut(&mut self, function: &mut ItemFn) {
        if function.sig.constness.is_none() {
            visit_mut::visit_item_fn_mut(self, function);
            self.plant_returns(&mut function.block);
        }
    }

    fn visit_impl_item_fn_mut(&mut self, function: &mut ImplItemFn) {
        if function.sig.constness.is_none() {
            visit_mut::visit_impl_item_fn_mut(self, function);
            self.plant_returns(&mut function.block);
        }
    }

    fn visit_trait_item_fn_mut(&mut self, function: &mut TraitItemFn) {
        visit_mut::visit_trait_item_fn_mut(self, function);
        if let Some(block) = &mut function.default {
            self.plant_returns(block);
        }
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        let deleted = self.take("MatchArm", start(arm.pat.span()));
        let guard = arm.guard.as_ref().map(|(_, guard)| start(guard.span()));
        let guarded = guard.map_or_else(Vec::new, |at| self.take("MatchArmGuard", at));
        visit_mut::visit_arm_mut(self, arm);
        if deleted.is_empty() && guarded.is_empty() {
            return;
        }
        let mut condition = arm.guard.as_ref().map_or_else(|| quote!(true), |(_, guard)| quote!((#guard)));
        for mutant in guarded {
            let value: TokenStream = mutant.replacement.parse().unwrap_or_default();
            let choice = choose(mutant.id, value, condition);
            condition = quote!((#choice));
        }
        for id in deleted.iter().map(|mutant| mutant.id) {
            condition = quote!(!crate::mutant(#id) && #condition);
        }
        arm.guard = Some((Default::default(), parse_quote!(#condition)));
    }

    fn visit_expr_struct_mut(&mut self, value: &mut ExprStruct) {
        let starts: Vec<Place> = value.fields.iter().map(|field| start(field.span())).collect();
        visit_mut::visit_expr_struct_mut(self, value);
        let Some(rest) = value.rest.clone() else { return };
        for (field, at) in value.fields.iter_mut().zip(starts) {
            for mutant in self.take("StructField", at) {
                let (member, own) = (&field.member, &field.expr);
                let choice = choose(mutant.id, quote!((#rest).#member), quote!(#own));
                field.colon_token = Some(Default::default());
                field.expr = parse_quote!((#choice));
            }
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        // Places are those of the file as it is: an operand that was rewritten has none.
        let at = match expr {
            Expr::Binary(binary) if !has_let(&binary.left) && !has_let(&binary.right) => Some(start(binary.op.span())),
            Expr::Unary(unary) => Some(start(unary.op.span())),
            _ => None,
        };
        visit_mut::visit_expr_mut(self, expr);
        let Some(at) = at else { return };
        let planted = match expr {
            Expr::Binary(binary) => self.plant_binary(binary, at),
            Expr::Unary(unary) => self.plant_unary(unary, at),
            _ => None,
        };
        if let Some(planted) = planted {
            *expr = planted;
        }
    }
}

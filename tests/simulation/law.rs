//! The laws of a run, by name, and the report of a breach.

macro_rules! laws {
    ($($(#[doc = $doc:literal])* $law:ident = $text:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Law { $($(#[doc = $doc])* $law,)* }

        impl Law {
            pub const ALL: &'static [Self] = &[$(Self::$law,)*];

            pub fn text(self) -> &'static str {
                match self { $(Self::$law => $text,)* }
            }
        }
    };
}

laws! {
    ElectionSafety = "a term has one leader, over all history";
    LeaderIsVoter = "who becomes leader is a voter of its configuration";
    LogMatching = "term and index name one entry, with one before it";
    LeaderAppendOnly = "a leader only adds to its log";
    LeaderCompleteness = "what is committed is in the log of every later leader";
    StateMachineSafety = "what is applied at an index is the same everywhere";
    CommittedOnce = "what is committed at an index stays so";
    CommittedOnQuorum = "a leader commits what a quorum of its configuration has on disk";
    NeverBack = "term, vote in a term, commit and applied never fall, on disk neither";
    OrderOfPositions = "first - 1 <= applied <= commit <= last";
    AppliedInOrder = "each entry is applied once, in order";
    DurableApply = "entries to apply are on this disk, or as near to it as the host allowed";
    DurableAck = "an acknowledgement leaves when the entries are on disk";
    DurableVote = "a vote leaves when it is on disk";
    DurableRequest = "a request leaves when term, vote and log tail are on disk, a leader's when its term is";
    OneChange = "a leader adds a change when all before it are applied";
    Neighbours = "a configuration and the next one share a quorum";
    SameConfiguration = "the configuration as of an index is the same everywhere";
    FreshRead = "a read's index is not below what was acknowledged when it began";
    TokenOnce = "a token comes back once";
    TokenTruth = "what is said of a token is true";
    Linearizable = "reads and writes of clients have an order that fits their times";
    Bounds = "limits hold: windows, reads, tokens, readies, events, memory";
    RefusedUnchanged = "a forged message is refused, and the node is what it was";
    SameThroughC = "the C ABI gives the same codes, bytes and digests";
    Recovery = "a healed quorum elects, catches up, serves and answers every token within a bound";
    Sound = "no node is poisoned, no call fails that may not";
}

#[derive(Clone, Debug)]
pub struct Broken {
    pub law: Law,
    pub text: String,
}

pub type Lawful<T = ()> = Result<T, Broken>;

pub fn broken<T>(law: Law, text: String) -> Lawful<T> {
    Err(Broken { law, text })
}

/// Returns a breach of the law unless the condition holds.
macro_rules! hold {
    ($law:ident, $condition:expr, $($text:tt)+) => {
        if !$condition {
            return $crate::law::broken($crate::law::Law::$law, format!($($text)+)).map_err(Into::into);
        }
    };
}
pub(crate) use hold;

/// Why a host's turn ends early.
#[derive(Debug)]
pub enum Halt {
    /// The process dies here.
    Crash,
    Broken(Broken),
}

impl From<Broken> for Halt {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// The result of a call of a node: a halt, or the node's own answer.
pub type Called<T> = Result<raftcore::Result<T>, Halt>;

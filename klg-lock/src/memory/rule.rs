//! Rules of the lock protocol that a memory server breaks on request, to test those who check them.

/// A rule of the lock protocol; see [`MemoryServer::break_rule`](super::MemoryServer::break_rule).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// A held key refuses others.
    HeldIsRefused,
    /// A key lives for the TTL that was asked for; broken: for a quarter of it.
    TtlIsKept,
    /// No request shortens the life of a key.
    TtlIsNeverShortened,
    /// All keys of a request are taken, or none; broken: only the first is looked at and taken.
    AllOrNone,
    /// A release deletes only what carries its own value.
    ReleaseComparesValue,
    /// A release deletes.
    ReleaseDeletes,
    /// Nothing of a value is carried out after its release; broken: its acquire is repeated then.
    NothingAfterRelease,
    /// Fencing numbers are counted on from the last; broken: each acquire starts anew.
    CounterGoesOn,
    /// A raise is stored.
    RaiseIsStored,
    /// A reservation is of as many numbers as were asked for; broken: of one.
    ReservationIsWhole,
}

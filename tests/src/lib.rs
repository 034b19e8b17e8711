//! The harness of the tests: private Redis servers and the faults that befall them.

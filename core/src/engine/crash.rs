//! Places where a test can end the process at once, as a power cut would: around every write of
//! the journal and every request that changes something. Builds for users have none of this.

/// Every place of a transfer by name. A test walks through all of them, occurrence by occurrence.
pub const POINTS: &[&str] = &[
    "job begun",
    "before place intent",
    "after place intent",
    "after place request",
    "before place outcome",
    "after place outcome",
    "before intent",
    "after intent",
    "after request",
    "before outcome",
    "after outcome",
    "before the end",
];

/// The places of a removal, which only a sync has.
pub const REMOVAL_POINTS: &[&str] = &[
    "before removal intent",
    "after removal intent",
    "after removal request",
    "before removal outcome",
    "after removal outcome",
];

/// The places of groups, rights and shortcuts, which only a transfer with rights has.
pub const GRANT_POINTS: &[&str] = &[
    "before grant intent",
    "after grant intent",
    "after grant request",
    "before grant outcome",
    "after grant outcome",
];

/// The places of an undo: before each request, or handful of requests, that takes something back.
pub const UNDO_POINTS: &[&str] = &["before taking back"];

/// The places of a rotation, around every step of it.
pub const ROTATION_POINTS: &[&str] = &[
    "before rotation intent",
    "after rotation intent",
    "before set",
    "after set",
    "before store",
    "after store",
    "before retire",
    "after retire",
    "before rotation outcome",
    "after rotation outcome",
];

#[cfg(debug_assertions)]
static ARMED: std::sync::Mutex<Option<(String, u32)>> = std::sync::Mutex::new(None);

/// Ends the process when it passes `point` for the `occurrence`-th time, counted from 1. Does
/// nothing in a build without debug assertions.
pub fn arm(point: &str, occurrence: u32) {
    #[cfg(debug_assertions)]
    {
        let mut armed = ARMED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *armed = Some((point.to_owned(), occurrence));
    }
    let _ = (point, occurrence);
}

/// Passes a place.
#[cfg(debug_assertions)]
pub fn point(name: &'static str) {
    debug_assert!(
        [POINTS, REMOVAL_POINTS, GRANT_POINTS, UNDO_POINTS, ROTATION_POINTS]
            .iter()
            .any(|points| points.contains(&name)),
        "{name} is missing from the list"
    );
    let mut armed = ARMED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((wanted, left)) = &mut *armed
        && wanted == name
    {
        *left = left.saturating_sub(1);
        if *left == 0 {
            std::process::abort();
        }
    }
}

/// Passes a place.
#[cfg(not(debug_assertions))]
pub fn point(_: &'static str) {}

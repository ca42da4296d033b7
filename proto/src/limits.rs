//! Every bound of the protocol, and how they fit together (decision D13).
//!
//! A peer can reach any of these and be refused; none can be passed.

use core::time::Duration;

/// Bytes of a page of user memory.
pub const PAGE: usize = 4096;

/// Bytes of user memory that may travel early, with a request or with a reply (decision D5).
/// One socket buffer of a call channel holds them.
pub const EAGER: usize = 16 * 1024;

/// Bytes of one memory request or page-in.
pub const WINDOW: usize = 64 * 1024;

/// Bytes of a transfer to or from a file that are on the way at once, a window each: what a deputy
/// holds at most for one call. For anything else it holds one window.
pub const STRETCH: usize = 4 * WINDOW;

/// Bytes of a memory request that no call of its process makes: its answer is that of a question.
pub const QUERIED: usize = WINDOW - PAGE;

/// Bytes of a frame without its length prefix: one window and the fields around it.
pub const FRAME: usize = WINDOW + 8 * 1024;

/// Bytes of a frame of the handshake, before the peer has said who it is.
pub const HELLO: usize = 2 * 1024;

/// Elements of a list in a message.
pub const LIST: usize = 1024;

/// Threads of a process.
pub const THREADS: usize = 1024;

/// Bytes of a text meant for people: a name, a reason.
pub const TEXT: usize = 255;

/// Bytes of a path, its NUL counted (`PATH_MAX` of limits.h).
pub const PATH: usize = 4096;

/// Elements of a vector of buffers (`UIO_MAXIOV`) that are looked at early.
pub const VECTOR: usize = 64;

/// Strings of one `argv` or `envp` that travel early.
pub const STRINGS: usize = 256;

/// Pages of one run of an image.
pub const RUN_PAGES: usize = WINDOW / PAGE;

/// Pages of one run that an image does not hold because its target has them already.
pub const SAME_PAGES: usize = 512;

/// Files whose content is named with pages of one of them.
pub const FILE_VERSIONS: usize = 256;

/// How long a silent link is believed to be alive (the thesis's 30 s).
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Bytes that a deputy lends its body at most (decision 0016).
pub const LOAN: usize = WINDOW;

/// Bytes of a file that a deputy lends its body at most (decision 0018).
pub const AHEAD: usize = WINDOW - EAGER;

/// How long a loan of room is good at the body: what happens at home, as the end of a reader, is
/// noticed by then even by a program that only writes.
pub const LOAN_SPAN: Duration = Duration::from_millis(10);

/// Pause between two questions of a body in doubt.
pub const DOUBT_RETRY: Duration = Duration::from_secs(1);

/// Pause between two attempts of a child's body to call its home.
pub const CALL_RETRY: Duration = Duration::from_millis(100);

/// How long a `Bye` waits for its answer.
pub const BYE: Duration = Duration::from_secs(5);

const _: () = assert!(EAGER <= WINDOW, "what travels early is at most one window");
const _: () = assert!(EAGER + AHEAD <= WINDOW, "a reply fits a frame with what comes next");
const _: () = assert!(EAGER + LIST * 10 < FRAME, "a full request fits a frame");
const _: () = assert!(RUN_PAGES * PAGE == WINDOW, "a run of pages is one window");
const _: () = assert!(WINDOW + FILE_VERSIONS * 15 + 16 <= FRAME, "pages and versions fit a frame");
const _: () = assert!(VECTOR * 16 <= EAGER, "a vector travels with its buffers");
const _: () = assert!(PATH <= EAGER, "a path travels early");

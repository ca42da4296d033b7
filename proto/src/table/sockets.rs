//! The rows of sockets (socket(7)).

/// Adds the rows of sockets to those given and hands all to the next macro.
macro_rules! socket_rows {
    ([$next:ident $($then:ident)*] { $($rows:tt)* }) => { $next! { [$($then)*] {
        $($rows)*
    } } };
}

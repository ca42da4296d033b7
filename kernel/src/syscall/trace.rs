//! What `--trace` shows: one line for each call, as `strace` would write it.

use alloc::string::String;
use core::fmt::Write;

use wayfarer_proto::console::{FromNode, Trace};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::calls;
use wayfarer_proto::table::{ArgKind, Class, route};
use wayfarer_proto::time::Instant;

use super::{Call, SysResult};
use crate::process::{Next, Running};

impl Running {
    /// Reports a call that was begun at `began` and has ended. A whole process makes all its calls
    /// in place.
    pub fn trace(&self, call: &Call, began: Instant, next: Next) {
        let away = self.process.home().is_none();
        let class = if away { route(call.sysno, &call.args) } else { Class::Local };
        let result = match next {
            Next::Run => result_text(self.thread.context.borrow().registers.rax),
            Next::End => String::from("?"),
        };
        self.report_call(alloc::format!("{} = {result}", call_text(call)), class, began);
    }

    /// The same for a call without a row in the table: an added one, or one that is not there.
    pub fn trace_extra(&self, number: u64, result: SysResult, began: Instant) {
        let result = result_text(result.unwrap_or_else(Errno::to_return_value));
        let call = match calls::name(number) {
            Some(name) => alloc::format!("{name}(?) = {result}"),
            None => alloc::format!("call {number:#x}(?) = {result}"),
        };
        self.report_call(call, Class::Local, began);
    }

    fn report_call(&self, call: String, class: Class, began: Instant) {
        self.kernel.console.send(&FromNode::Trace(Trace {
            node: self.kernel.node,
            pid: self.body.key.pid,
            tid: self.thread.tid.get(),
            call,
            class,
            microseconds: self.kernel.now().since(began).as_micros() as u64,
        }));
    }
}

fn result_text(value: u64) -> String {
    match Errno::from_return_value(value) {
        Ok(value) if value > 0xffff_ffff => alloc::format!("{value:#x}"),
        Ok(value) => alloc::format!("{value}"),
        Err(errno) => alloc::format!("-1 {errno}"),
    }
}

/// The call with its arguments, each printed as the table says it is.
pub fn call_text(call: &Call) -> String {
    let row = call.sysno.row();
    let mut text = String::from(row.name);
    text.push('(');
    for (index, (arg, value)) in row.args.iter().zip(call.args).enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        // Writing to a string cannot fail.
        let _ = match arg.kind {
            ArgKind::Int | ArgKind::Fd | ArgKind::DirFd | ArgKind::Pid | ArgKind::Signal => {
                write!(text, "{}", value as i32)
            }
            ArgKind::Size => write!(text, "{value}"),
            ArgKind::Mode => write!(text, "{value:#o}"),
            _ => write!(text, "{value:#x}"),
        };
    }
    text.push(')');
    text
}

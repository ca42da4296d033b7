//! An address space with one page of code and one of data, to run a few instructions in.

use wayfarer_machine::{Access, Frame, Machine, PageTable, Trap, UserContext, UserPage};

/// Where the code is: read and execute.
pub(crate) const CODE: u64 = 0x40_0000;
/// Where the data is: read and write. The stack begins at its end.
pub(crate) const DATA: u64 = 0x50_0000;

/// Code, data and a context about to run the code, with rsi pointing to the data.
pub(crate) struct Sandbox {
    pub(crate) table: PageTable,
    pub(crate) context: UserContext,
    pub(crate) data: Frame,
}

impl Sandbox {
    pub(crate) fn new(machine: &Machine, code: &[u8]) -> Sandbox {
        let no_frame = "a frame is free";
        let mut table = PageTable::new(&machine.frames, &machine.kernel_half).expect(no_frame);
        let text = machine.frames.allocate_zeroed().expect(no_frame);
        let data = machine.frames.allocate_zeroed().expect(no_frame);
        text.write(0, code);
        table.map(page(CODE), text, Access { write: false, execute: true }).expect(no_frame);
        let access = Access { write: true, execute: false };
        table.map(page(DATA), data.clone(), access).expect(no_frame);
        let mut context = UserContext::new();
        context.registers.rip = CODE;
        context.registers.rsi = DATA;
        context.registers.rsp = DATA + 4096;
        Sandbox { table, context, data }
    }

    /// Runs to the next trap that is not an interrupt.
    pub(crate) fn run(&mut self) -> Trap {
        loop {
            let trap = self.context.run(&self.table);
            if trap != Trap::Interrupt {
                return trap;
            }
        }
    }

    /// Reads a word of the data page.
    pub(crate) fn word(&self, offset: usize) -> u64 {
        let mut bytes = [0; 8];
        self.data.read(offset, &mut bytes);
        u64::from_le_bytes(bytes)
    }
}

pub(crate) fn page(address: u64) -> UserPage {
    UserPage::containing(address).expect("a user address")
}

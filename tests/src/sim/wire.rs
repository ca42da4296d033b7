//! What the nodes' kernels do about connections: dial, carry, answer doors.

use wayfarer_body as body;
use wayfarer_deputy as deputy;
use wayfarer_proto::codec::FrameReader;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::handshake::{Acceptor, Purpose, accept, refuse};
use wayfarer_proto::id::{ChannelId, Epoch, NodeId, ProcessKey};
use wayfarer_proto::message::{Remembered, Ticket};
use wayfarer_proto::time::Instant;

use super::body::Body;
use super::net::{Owner, Piece, Port};
use super::world::{BodyTold, DeputyTold, Happening, KEEP_ALIVE, Work, World};

impl World {
    /// Dials a door of a node, under a number known before.
    pub fn dial(&mut self, id: ChannelId, from: NodeId, owner: Owner, to: NodeId, port: Port) {
        self.net.open(id, from, owner, to, port);
        let delay = self.rng.micros(50..600);
        self.after(delay, Happening::Dialled(id));
    }

    pub(super) fn dialled(&mut self, id: ChannelId) {
        let Some(connection) = self.net.connections.get_mut(&id) else { return };
        let (from, to) = (connection.ends[0].node, connection.ends[1].node);
        let cut = self.net.cut_until(from, to, self.now);
        if let Some(until) = cut.filter(|until| *until <= self.now + KEEP_ALIVE / 2) {
            return self.at(until, Happening::Dialled(id));
        }
        if cut.is_some() || !self.alive.contains(&to) {
            if let Some(connection) = self.net.connections.get_mut(&id) {
                connection.ends[1].owner = Owner::Nobody;
            }
            return self.after(KEEP_ALIVE / 4, Happening::Broken(id, 0));
        }
        let Some(connection) = self.net.connections.get_mut(&id) else { return };
        connection.established = true;
        match connection.ends[0].owner {
            Owner::Body(body) => {
                self.tell_body(body, BodyTold::Input(body::Input::Connected));
            }
            Owner::Deputy(key) => {
                self.tell_deputy(key, deputy::Input::Connected { channel: id });
            }
            Owner::ImageOut(body) => self.image_connected(body, id),
            Owner::Nobody | Owner::Door(..) | Owner::ImageIn(_) => {}
        }
    }

    /// Sends bytes from an end, in one piece or in several.
    pub fn send(&mut self, id: ChannelId, from: usize, mut bytes: Vec<u8>) {
        while self.rng.one_in(4) && bytes.len() > 1 {
            let rest = bytes.split_off(self.rng.range(1..bytes.len() as u64) as usize);
            self.send_piece(id, from, Piece::Bytes(bytes));
            bytes = rest;
        }
        self.send_piece(id, from, Piece::Bytes(bytes));
    }

    fn send_piece(&mut self, id: ChannelId, from: usize, piece: Piece) {
        let stalls = self.rng.one_in(60);
        let delay = self.rng.micros(if stalls { 1_000..30_000 } else { 30..400 });
        if let Some(at) = self.net.send(id, 1 - from, piece, self.now, delay) {
            self.at(at, Happening::Deliver(id, 1 - from));
        }
    }

    /// Which end of a connection is held on behalf of somebody.
    pub fn end_of(&self, id: ChannelId, held: impl Fn(&Owner) -> bool) -> Option<usize> {
        self.net.connections.get(&id)?.ends.iter().position(|end| held(&end.owner))
    }

    /// Ends a connection after what was sent.
    pub fn close(&mut self, id: ChannelId, end: usize) {
        let Some(connection) = self.net.connections.get_mut(&id) else { return };
        connection.ends[end].owner = Owner::Nobody;
        self.send_piece(id, end, Piece::End);
        self.net.forget_if_unowned(id);
    }

    pub(super) fn deliver(&mut self, id: ChannelId, end: usize) {
        let Some(connection) = self.net.connections.get_mut(&id) else { return };
        if connection.doomed {
            return;
        }
        let (a, b) = (connection.ends[0].node, connection.ends[1].node);
        if let Some(until) = self.net.cut_until(a, b, self.now) {
            return self.at(until, Happening::Deliver(id, end));
        }
        let Some(connection) = self.net.connections.get_mut(&id) else { return };
        // Each piece has its own turn, in order.
        let arriving = &mut connection.ends[end].arriving;
        match arriving.pop_front_if(|(at, _)| *at <= self.now) {
            Some((_, Piece::Bytes(bytes))) => self.received(id, end, bytes),
            Some((_, Piece::End)) => self.broken(id, end),
            None => {}
        }
    }

    fn received(&mut self, id: ChannelId, end: usize, bytes: Vec<u8>) {
        let Some(connection) = self.net.connections.get_mut(&id) else { return };
        match &mut connection.ends[end].owner {
            Owner::Nobody => {}
            Owner::Deputy(key) => {
                self.work.push_back(Work::Deputy(*key, DeputyTold::Bytes(id, bytes)));
            }
            Owner::Body(body) => self.work.push_back(Work::Body(*body, BodyTold::Bytes(bytes))),
            Owner::ImageIn(body) => self.work.push_back(Work::Body(*body, BodyTold::Image(bytes))),
            Owner::ImageOut(body) => {
                let body = *body;
                self.image_answered(body, &bytes);
            }
            Owner::Door(port, acceptor) => {
                let port = *port;
                match acceptor.receive(&bytes) {
                    Ok(Some(purpose)) => {
                        let acceptor = std::mem::take(acceptor);
                        self.answer_door(id, end, port, purpose, acceptor);
                    }
                    Ok(None) => {}
                    Err(error) => self.fail(format!("a hello was refused: {error:?}")),
                }
            }
        }
    }

    pub(super) fn broken(&mut self, id: ChannelId, end: usize) {
        let Some(connection) = self.net.connections.get_mut(&id) else { return };
        let owner = std::mem::replace(&mut connection.ends[end].owner, Owner::Nobody);
        match owner {
            Owner::Nobody | Owner::Door(..) => {}
            Owner::Deputy(key) => self.tell_deputy(key, deputy::Input::Broken { channel: id }),
            Owner::Body(body) => self.tell_body(body, BodyTold::Input(body::Input::Broken)),
            Owner::ImageIn(body) => {
                self.tell_body(body, BodyTold::Input(body::Input::ImageBroken));
            }
            Owner::ImageOut(body) => self.image_failed(body),
        }
        self.net.forget_if_unowned(id);
    }

    fn answer_door(
        &mut self,
        id: ChannelId,
        end: usize,
        port: Port,
        purpose: Purpose,
        acceptor: Acceptor,
    ) {
        let reader = acceptor.into_reader();
        match (port, purpose) {
            (Port::Migration, Purpose::NewBody { process, epoch, .. }) => {
                self.admit(id, end, process, epoch, reader);
            }
            (Port::Deputy, Purpose::ForkChild { child, token }) => {
                let input = deputy::Input::ChildCalled { channel: id, reader };
                let known = self.homes.get(&child).is_some_and(|home| home.token == token);
                self.give_to_deputy(id, end, child, known, input);
            }
            (Port::Deputy, Purpose::InDoubt { process, epoch }) => {
                let input = deputy::Input::DoubtCalled { channel: id, epoch, reader };
                let known = self.homes.contains_key(&process);
                self.give_to_deputy(id, end, process, known, input);
            }
            (Port::Image, Purpose::Image { token }) => self.receive_image(id, end, token),
            (port, purpose) => self.fail(format!("{purpose:?} at the door {port:?}")),
        }
    }

    fn set_owner(&mut self, id: ChannelId, end: usize, owner: Owner) {
        if let Some(connection) = self.net.connections.get_mut(&id) {
            connection.ends[end].owner = owner;
        }
    }

    fn turn_away(&mut self, id: ChannelId, end: usize, errno: Errno) {
        self.send(id, end, refuse(errno, "no").to_vec());
        self.close(id, end);
    }

    fn give_to_deputy(
        &mut self,
        id: ChannelId,
        end: usize,
        key: ProcessKey,
        known: bool,
        input: deputy::Input<'static>,
    ) {
        if known {
            self.set_owner(id, end, Owner::Deputy(key));
            self.tell_deputy(key, input);
        } else {
            self.turn_away(id, end, Errno::ESRCH);
        }
    }

    fn admit(
        &mut self,
        id: ChannelId,
        end: usize,
        key: ProcessKey,
        epoch: Epoch,
        reader: FrameReader,
    ) {
        let Some(node) = self.net.connections.get(&id).map(|c| c.ends[end].node) else { return };
        if self.rng.one_in(12) {
            return self.turn_away(id, end, Errno::ENOMEM);
        }
        let (body, _) = self.arriving_body(node, key, epoch, reader);
        if let Some(state) = self.bodies.get_mut(&body) {
            state.link = Some(id);
        }
        self.set_owner(id, end, Owner::Body(body));
        self.tell_body(body, BodyTold::Drain);
    }

    /// A body that was admitted, to be filled by an image; its token is its own number.
    pub fn arriving_body(
        &mut self,
        node: NodeId,
        process: ProcessKey,
        epoch: Epoch,
        reader: FrameReader,
    ) -> (super::body::BodyId, Ticket) {
        let id = super::body::BodyId(self.fresh_id());
        let (remnant, left) = self.remnants.remove(&(node, process)).unzip();
        let name = remnant.as_ref().and_then(|remnant| remnant.name);
        let remembered = name.zip(left).map(|(memory, epoch)| Remembered { memory, epoch });
        let ticket = Ticket { token: id.0.unsigned_abs().into(), remembered };
        let home = process.home == node;
        let arrival = body::Arrival { process, epoch, ticket, home, reader };
        let session = body::Session::arriving(self.config(), self.now, arrival);
        self.bodies.insert(id, Body { remnant, ..Body::new(session, node) });
        (id, ticket)
    }

    fn receive_image(&mut self, id: ChannelId, end: usize, token: u64) {
        let Some(node) = self.net.connections.get(&id).map(|c| c.ends[end].node) else { return };
        let wanted = |(body, state): (&super::body::BodyId, &Body)| {
            (u64::from(body.0.unsigned_abs()) == token && state.node == node).then_some(*body)
        };
        match self.bodies.iter().find_map(wanted) {
            Some(body) => {
                self.set_owner(id, end, Owner::ImageIn(body));
                self.send(id, end, accept(Ticket::NONE).to_vec());
            }
            None => self.turn_away(id, end, Errno::ESRCH),
        }
    }

    /// Plans the timer of a session, unless it is planned already.
    pub fn plan_timer(&mut self, planned: Instant, wanted: Instant, happening: Happening) -> bool {
        let plan = wanted != Instant::NEVER && (wanted < planned || planned <= self.now);
        if plan {
            self.at(wanted.max(self.now), happening);
        }
        plan
    }
}

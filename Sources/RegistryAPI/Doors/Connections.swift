import Identity
import NIOCore
import RegistryModel
import Synchronization

/// Everybody who is connected by a door that knows its peers. Those whose certificate is denied are cut off here at once.
final class Connections: Sendable {
    /// A connection is not believed for longer than this, whatever its certificate says.
    static let longest = TimeAmount.hours(1)
    /// What is being answered when its time is over may end within this.
    static let farewell = TimeAmount.seconds(5)

    private struct Entry {
        var channel: any Channel
        var peer: Peer
    }

    private let entries = Mutex<[ObjectIdentifier: Entry]>([:])

    /// Notes who a connection's peer is, until it closes.
    func admit(_ peer: Peer, on channel: any Channel, now: Timestamp) {
        let id = ObjectIdentifier(channel)
        entries.withLock { $0[id] = Entry(channel: channel, peer: peer) }
        channel.closeFuture.whenComplete { [self] _ in
            entries.withLock { entries in _ = entries.removeValue(forKey: id) }
        }
        guard let certificate = peer.certificate else { return }
        let left = TimeAmount(certificate.notAfter.since(now))
        let end = channel.eventLoop.scheduleTask(in: min(max(left, .zero), Self.longest)) {
            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
            channel.eventLoop.scheduleTask(in: Self.farewell) { channel.close(promise: nil) }
        }
        channel.closeFuture.whenComplete { _ in end.cancel() }
    }

    /// Who is at the other end of a channel that was admitted.
    func peer(of channel: any Channel) -> Peer? {
        entries.withLock { $0[ObjectIdentifier(channel)]?.peer }
    }

    /// Ends the connections of those who are not to be believed any more.
    func end(_ denied: DenyList) {
        let ended = entries.withLock { entries in
            entries.values.filter { entry in
                guard let certificate = entry.peer.certificate else { return false }
                return denied.denies(certificate.id, serial: certificate.serial, issuedAt: certificate.issuedAt)
            }
        }
        for entry in ended { entry.channel.close(promise: nil) }
    }
}

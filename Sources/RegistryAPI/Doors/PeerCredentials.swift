import Glibc
import NIOCore

/// `struct ucred` of unix(7), which glibc's header shows only to GNU programs.
private struct UnixCredentials {
    var pid: pid_t = 0
    var uid: uid_t = 0
    var gid: gid_t = 0
}

/// Who is at the other end of the operator's socket, by the kernel's word (SO_PEERCRED).
struct PeerCredentials: Sendable {
    /// Whether any peer that could open the socket may use it: the socket's group decides then.
    var admitsGroup: Bool
    /// False for TCP doors, which know no user.
    var isUnixSocket: Bool

    struct Refused: Error {}

    /// The peer by its user id; nobody on TCP.
    ///
    /// Fails for a peer that is neither root nor the daemon's own user: its connection is closed.
    func peer(of channel: any Channel) -> EventLoopFuture<Peer> {
        guard isUnixSocket else { return channel.eventLoop.makeSucceededFuture(.nobody()) }
        guard let provider = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeFailedFuture(Refused())
        }
        let admitsGroup = admitsGroup
        return
            provider
            .unsafeGetSocketOption(
                level: .socket,
                name: NIOBSDSocket.Option(rawValue: SO_PEERCRED)
            )
            .flatMapThrowing { (peer: UnixCredentials) in
                guard admitsGroup || peer.uid == geteuid() || peer.uid == 0 else { throw Refused() }
                return .socket(uid: peer.uid)
            }
    }
}

import Glibc
import NIOCore
import NIOPosix

/// The sidecar's own questions and answers, over a Unix socket of mode 0600, and metrics and health alone over TCP where they
/// are asked for.
struct AdminListener: Sendable {
    private let channel: any Channel

    /// What is answered, made off the event loop.
    struct Answers: Sendable {
        var status: @Sendable () async throws -> [UInt8]
        var metrics: @Sendable () async throws -> String
        var isHealthy: @Sendable () async -> Bool
        /// nil: no tail at this door.
        var log: AccessLog?
        /// Asked before anything is answered to somebody from elsewhere; nil: whoever reaches this door may ask.
        var admit: (@Sendable (_ target: String) async throws(RemoteAdmin.Refused) -> Void)?
    }

    static func start(
        socket path: String,
        answers: Answers,
        group: MultiThreadedEventLoopGroup
    ) async throws -> AdminListener {
        let channel = try await bootstrap(answers, group)
            .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        // Whoever may connect may read paths of requests: this user alone.
        guard chmod(path, 0o600) == 0 else { throw SidecarError(.address, "the mode of \(path) can't be set") }
        return AdminListener(channel: channel)
    }

    static func start(
        host: String,
        port: Int,
        answers: Answers,
        group: MultiThreadedEventLoopGroup
    ) async throws -> AdminListener {
        var answers = answers
        answers.log = nil
        do {
            return AdminListener(channel: try await bootstrap(answers, group).bind(host: host, port: port).get())
        } catch {
            throw SidecarError(.metrics, on: host, port, error)
        }
    }

    /// nil: a Unix socket.
    var port: Int? { channel.localAddress?.port }

    func close() async {
        try? await channel.close()
    }

    private static func bootstrap(_ answers: Answers, _ group: MultiThreadedEventLoopGroup) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = HTTP1ServerHandler { head, writer in
                        let exchange = AdminExchange(head, writer, answers, loop: channel.eventLoop)
                        exchange.start()
                        return exchange
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
    }
}

extension AdminListener.Answers {
    /// Of a door where nobody is answered.
    static let none = Self(status: { [] }, metrics: { "" }, isHealthy: { false }, log: nil)
}

import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// HTTP/1.1 on loopback: the page's files, its questions and its streams.
struct DashboardServer: Sendable {
    typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>

    /// Connections at a time; more are closed at once.
    private static let mostConnections = 256

    let channel: NIOAsyncChannel<Connection, Never>
    let queries: PageQueries
    let streams: PageStreams

    /// - Throws: `address-in-use`, `bad-address`.
    static func bind(host: String, port: Int) async throws(DashboardError) -> NIOAsyncChannel<Connection, Never> {
        let channel: NIOAsyncChannel<Connection, Never>
        do {
            channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
                .bind(host: host, port: port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let operations = channel.pipeline.syncOperations
                        try operations.addHandler(IdleStateHandler(allTimeout: IdleConnectionCloser.patience))
                        try operations.addHandler(IdleConnectionCloser())
                        try operations.configureHTTPServerPipeline(withErrorHandling: true)
                        return try Connection(wrappingChannelSynchronously: channel)
                    }
                }
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw DashboardError(.addressInUse, "\(host):\(port) is taken")
        } catch {
            throw DashboardError(.badAddress, "\(host):\(port) can't be listened on: \(error)")
        }
        return channel
    }

    /// Until the task is cancelled.
    func run() async throws {
        let open = OpenConnections(limit: Self.mostConnections)
        try await channel.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { group in
                for try await connection in connections {
                    let isOneTooMany = !open.begin()
                    group.addTask {
                        await serve(connection, isOneTooMany: isOneTooMany)
                        open.end()
                    }
                }
            }
        }
    }

    private func serve(_ connection: Connection, isOneTooMany: Bool) async {
        do {
            try await connection.executeThenClose { requests, outbound in
                guard !isOneTooMany else { return }
                let refusal = Self.refusal(of: connection.channel)
                for try await part in requests {
                    guard case .head(let head) = part else { continue }
                    try await answer(PageRequest(head), refusal, outbound)
                    guard head.isKeepAlive else { return }
                }
            }
        } catch {
            // The page has gone.
        }
    }

    /// Whoever may connect here may be any user of the machine; only this one, and root, are shown what this one may see.
    private static func refusal(of channel: any Channel) -> PageReply? {
        let user = PeerUser.id(remote: channel.remoteAddress, local: channel.localAddress)
        guard let user, user == geteuid() || user == 0 else {
            return PageReply(.forbidden, "this dashboard is another user's", hint: "your own: hms-mesh dashboard")
        }
        return nil
    }

    private func answer(
        _ request: PageRequest,
        _ refusal: PageReply?,
        _ outbound: EventStreamWriter.Outbound
    ) async throws {
        if let refusal = refusal ?? Self.refusal(of: request) { return try await Self.send(refusal, outbound) }
        switch (request.path.count, request.path.first, request.path.last) {
        case (2, "api", "stream"): try await streams.news(to: try await EventStreamWriter(beginning: outbound))
        case (2, "api", "tail"):
            let filter = TailFilter(service: request.query["service"] ?? "", instance: request.query["instance"])
            try await streams.tail(filter, to: try await EventStreamWriter(beginning: outbound))
        default:
            let reply =
                if let asset = PageAsset.reply(request.path) { asset } else {
                    await queries.reply(to: request) ?? PageReply(.notFound, "there is nothing of that name")
                }
            try await Self.send(reply, outbound)
        }
    }

    private static func refusal(of request: PageRequest) -> PageReply? {
        guard HostRule.answers(host: request.host) else {
            return PageReply(.misdirectedRequest, "only names of loopback are answered: http://127.0.0.1 or localhost")
        }
        guard HostRule.answers(site: request.site, isPage: request.path.isEmpty) else {
            return PageReply(.forbidden, "pages of elsewhere are not answered")
        }
        guard request.method == "GET" else { return PageReply(.methodNotAllowed, "only GET is answered") }
        return nil
    }

    private static func send(_ reply: PageReply, _ outbound: EventStreamWriter.Outbound) async throws {
        try await outbound.write(.head(reply.head))
        try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: reply.body))))
        try await outbound.write(.end(nil))
    }
}

/// How many there are.
private final class OpenConnections: Sendable {
    private let limit: Int
    private let count = Mutex(0)

    init(limit: Int) {
        self.limit = limit
    }

    /// - Returns: false where it is one too many.
    func begin() -> Bool {
        count.withLock { count in
            count += 1
            return count <= limit
        }
    }

    func end() {
        count.withLock { $0 -= 1 }
    }
}

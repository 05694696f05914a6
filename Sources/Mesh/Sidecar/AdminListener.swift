import Glibc
import NIOCore
import NIOPosix
import RegistryModel

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
        return AdminListener(channel: try await bootstrap(answers, group).bind(host: host, port: port).get())
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

/// One question.
private final class AdminExchange: RequestSink {
    private let path: String
    private let isGet: Bool
    private let writer: any ResponseWriter
    private let answers: AdminListener.Answers
    private let loop: any EventLoop
    private var tail: Int?
    private var skipped = 0

    init(_ head: RequestHead, _ writer: any ResponseWriter, _ answers: AdminListener.Answers, loop: any EventLoop) {
        let target = head.block.text(head.target)
        path = String(target.prefix { $0 != "?" })
        isGet = head.block.equals(head.method, "GET")
        self.writer = writer
        self.answers = answers
        self.loop = loop
    }

    func start() {
        guard isGet else { return answer(405, "text/plain", Array("only GET is answered here\n".utf8)) }
        switch path {
        case "/status": compute("application/json") { try await $0.status() }
        case "/metrics": compute("text/plain; version=0.0.4") { Array(try await $0.metrics().utf8) }
        case "/healthz": answer(200, "text/plain", Array("ok\n".utf8))
        case "/readyz":
            compute("text/plain", okay: "ready\n") { Array((await $0.isHealthy() ? "ready\n" : "not ready\n").utf8) }
        case "/tail": followLog()
        default: answer(404, "text/plain", Array("there are /status, /metrics, /healthz, /readyz and /tail\n".utf8))
        }
    }

    /// - Parameter okay: the one body that is said with 200, others with 503; nil: all are.
    private func compute(
        _ type: String,
        okay: String? = nil,
        _ body: @escaping @Sendable (AdminListener.Answers) async throws -> [UInt8]
    ) {
        let answers = answers
        let bound = NIOLoopBound(self, eventLoop: loop)
        let promise = loop.makePromise(of: [UInt8].self)
        promise.completeWithTask { try await body(answers) }
        promise.futureResult.whenComplete { result in
            switch result {
            case .success(let bytes):
                let isOkay = okay.map { Array($0.utf8) == bytes } ?? true
                bound.value.answer(isOkay ? 200 : 503, type, bytes)
            case .failure(let error): bound.value.answer(500, "text/plain", Array("\(error)\n".utf8))
            }
        }
    }

    private func answer(_ status: Int, _ type: String, _ body: [UInt8]) {
        var block = FieldBlock()
        block.append("content-type", type, .contentType)
        block.append("content-length", String(body.count), .contentLength)
        writer.write(
            head: ResponseHead(block: block, status: status, framing: .length(UInt64(body.count)), keepsAlive: true),
            adding: AddedFields()
        )
        writer.write(body: ByteBuffer(bytes: body))
        writer.writeEnd(trailers: nil)
    }

    /// Streams the access log's lines. Who reads too slowly gets a line that says how many were left out.
    private func followLog() {
        guard let log = answers.log else { return answer(404, "text/plain", Array("no tail at this door\n".utf8)) }
        var block = FieldBlock()
        block.append("content-type", "application/x-ndjson", .contentType)
        writer.write(
            head: ResponseHead(block: block, status: 200, framing: .chunked, keepsAlive: true),
            adding: AddedFields()
        )
        writer.flush()
        let bound = NIOLoopBound(self, eventLoop: loop)
        tail = log.add { lines in bound.eventLoop.execute { bound.value.show(lines) } }
    }

    private func show(_ lines: ByteBuffer) {
        guard tail != nil else { return }
        guard writer.canTakeMore else {
            skipped += lines.readableBytesView.count { $0 == UInt8(ascii: "\n") }
            return
        }
        if skipped > 0 {
            writer.write(body: ByteBuffer(string: "{\"skipped\":\(skipped)}\n"))
            skipped = 0
        }
        writer.write(body: lines)
        writer.flush()
    }

    func requestBody(_ data: ByteBuffer) {}
    func requestEnd(trailers: FieldBlock?) {}
    func callerCanTakeMore() {}

    func callerGone() {
        if let tail { answers.log?.remove(tail) }
        tail = nil
    }
}

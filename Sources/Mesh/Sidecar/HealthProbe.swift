import Glibc
import NIOCore
import NIOPosix
import RegistryModel

/// Asks the application whether it serves: by its port, or by a path of its own.
struct HealthProbe: Sendable {
    enum Verdict: Sendable, Equatable {
        case serves(detail: String)
        case fails(detail: String)
        /// Nothing listens there: no chance that the next one finds it otherwise.
        case refuses(detail: String)

        /// What serves and may not yet be offered, fails.
        func unless(_ objection: (() -> String?)?) -> Verdict {
            guard case .serves = self, let why = objection?() else { return self }
            return .fails(detail: why)
        }
    }

    /// Of one probe, connection and all.
    static let timeout = TimeAmount.seconds(2)

    let port: Int
    let path: String?
    let group: MultiThreadedEventLoopGroup

    func check() async -> Verdict {
        let began = NIODeadline.now()
        let promise = group.next().makePromise(of: Int?.self)
        let connecting = ClientBootstrap(group: promise.futureResult.eventLoop)
            .connectTimeout(Self.timeout)
            .channelInitializer { [path] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ProbeHandler(path: path, promise: promise))
                }
            }
            .connect(host: "127.0.0.1", port: port)
        connecting.whenFailure { promise.fail($0) }
        let deadline = promise.futureResult.eventLoop.scheduleTask(in: Self.timeout) {
            promise.fail(ChannelError.connectTimeout(Self.timeout))
        }
        do {
            let status = try await promise.futureResult.get()
            deadline.cancel()
            connecting.whenSuccess { $0.close(promise: nil) }
            let took = Double((NIODeadline.now() - began).microseconds) / 1_000
            let where_ = path.map { "GET \($0)" } ?? "TCP 127.0.0.1:\(port)"
            guard let status else { return .serves(detail: "\(where_), \(Self.rounded(took))ms") }
            return (200..<400).contains(status)
                ? .serves(detail: "\(where_), \(status), \(Self.rounded(took))ms")
                : .fails(detail: "\(where_) answered \(status)")
        } catch {
            deadline.cancel()
            connecting.whenSuccess { $0.close(promise: nil) }
            let failure = Connector.failure(error)
            let detail = "\(path.map { "GET \($0): " } ?? "")127.0.0.1:\(port): \(failure.message)"
            return Self.isRefusal(error) ? .refuses(detail: detail) : .fails(detail: detail)
        }
    }

    private static func isRefusal(_ error: any Error) -> Bool {
        guard let error = error as? NIOConnectionError else { return false }
        return error.connectionErrors.contains { ($0.error as? IOError)?.errnoCode == ECONNREFUSED }
    }

    private static func rounded(_ milliseconds: Double) -> String {
        "\((milliseconds * 10).rounded() / 10)"
    }
}

/// Connects; where there is a path, sends one request and waits for its status.
private final class ProbeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let path: String?
    private let promise: EventLoopPromise<Int?>
    private var input = ByteBuffer()
    private var scanner = HeadScanner()

    init(path: String?, promise: EventLoopPromise<Int?>) {
        self.path = path
        self.promise = promise
    }

    func channelActive(context: ChannelHandlerContext) {
        guard let path else { return promise.succeed(nil) }
        let request = "GET \(path) HTTP/1.1\r\nhost: localhost\r\nuser-agent: hms-mesh\r\nconnection: close\r\n\r\n"
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: request)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        input.writeBuffer(&bytes)
        do throws(BadMessage) {
            if let head = try scanner.response(&input, answersHead: false) { promise.succeed(head.status) }
        } catch {
            promise.fail(ExchangeFailure(kind: .malformed, delivery: .unknown, message: "no HTTP: \(error.reason)"))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(ExchangeFailure(kind: .reset, delivery: .unknown, message: "it ended without an answer"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(error)
        context.close(promise: nil)
    }
}

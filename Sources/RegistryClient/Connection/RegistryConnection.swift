import Glibc
import NIOCore
import NIOExtras
import NIOHTTP1
import NIOPosix
public import RegistryModel

/// One keep-alive connection to a registry. Requests of several tasks are sent in turn and answered in order.
public struct RegistryConnection: Sendable {
    /// An answer, whatever its status.
    public struct Answer: Sendable {
        public var status: Int
        /// The sequence through which the view that answered is complete.
        public var sequence: SequenceNumber
        /// The mass expiry guard holds expiries back.
        public var isProtected: Bool
        public var etag: String?
        /// The `Date` field.
        var date: String?
        public var body: [UInt8]
    }

    /// Bytes of an answer: a million instances.
    static let maximumAnswerBytes = 512 * 1_024 * 1_024
    static let connectTimeout = Duration.seconds(3)
    /// From a request to its whole answer.
    public static let defaultTimeout = Duration.seconds(30)

    public let address: RegistryAddress
    private let channel: any Channel
    private let timeout: Duration

    /// The address of this machine that the registry sees, but for what translates between them; nil over a socket.
    public var localHost: String? { channel.localAddress?.ipAddress }

    /// Connects for the time of `body`.
    ///
    /// - Parameter credentials: for a TLS door, and only for one.
    /// - Throws: `unreachable` where nobody answers; `untrusted-registry` where somebody else does; whatever `body` throws.
    public static func withConnection<R: Sendable>(
        to address: RegistryAddress,
        credentials: RegistryCredentials? = nil,
        timeout: Duration = defaultTimeout,
        isolation: isolated (any _Concurrency.Actor)? = #isolation,
        _ body: (RegistryConnection) async throws -> R
    ) async throws -> R {
        let transport = try transport(to: address, credentials)
        return try await withConnection(to: address, over: transport, timeout: timeout, isolation: isolation, body)
    }

    static func withConnection<R: Sendable>(
        to address: RegistryAddress,
        over transport: RegistryTransport,
        timeout: Duration = defaultTimeout,
        isolation: isolated (any _Concurrency.Actor)? = #isolation,
        _ body: (RegistryConnection) async throws -> R
    ) async throws -> R {
        let channel = try await connect(to: address, over: transport) { channel in
            channel.eventLoop.makeCompletedFuture {
                let operations = channel.pipeline.syncOperations
                try operations.addHTTPClientHandlers()
                try operations.addHandler(NIOHTTPClientResponseAggregator(maxContentLength: maximumAnswerBytes))
                try operations.addHandler(RequestSerializer())
                try operations.addHandler(RequestResponseHandler<HTTPRequest, NIOHTTPClientResponseFull>())
                return channel
            }
        }
        let connection = RegistryConnection(address: address, channel: channel, timeout: timeout)
        do {
            let result = try await body(connection)
            try? await channel.close()
            return result
        } catch {
            try? await channel.close()
            throw error
        }
    }

    /// Sends a request and waits for its answer.
    ///
    /// - Throws: the registry's own error for any status from 400 on; `interrupted` where no whole answer came.
    func send(
        _ method: HTTPMethod,
        _ path: String,
        headers: [(name: String, value: String)] = [],
        body: [UInt8]? = nil
    ) async throws(RegistryClientError) -> Answer {
        var fields = HTTPHeaders([("host", address.host), ("user-agent", "hms")])
        for (name, value) in headers { fields.add(name: name, value: value) }
        if let body {
            fields.add(name: "content-type", value: "application/json")
            fields.add(name: "content-length", value: String(body.count))
        }
        let request = HTTPRequest(
            head: HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: fields),
            body: body.map { ByteBuffer(bytes: $0) }
        )
        let response = try await exchange(request)
        let answer = Answer(response)
        guard answer.status < 400 else {
            throw RegistryClientError(problem: answer.body, status: answer.status)
        }
        return answer
    }

    private func exchange(_ request: HTTPRequest) async throws(RegistryClientError) -> NIOHTTPClientResponseFull {
        let promise = channel.eventLoop.makePromise(of: NIOHTTPClientResponseFull.self)
        let deadline = channel.eventLoop.scheduleTask(in: TimeAmount(timeout)) { [channel] in
            // Whatever came later would be taken for the next request's answer.
            channel.close(promise: nil)
        }
        channel.writeAndFlush((request, promise)).cascadeFailure(to: promise)
        do {
            let response = try await promise.futureResult.get()
            deadline.cancel()
            return response
        } catch {
            deadline.cancel()
            throw RegistryClientError(tls: error, at: address)
                ?? RegistryClientError(
                    .interrupted,
                    "the registry at \(address) ended the connection before it had answered",
                    hint: "whether it did what was asked is not known: look before you try again"
                )
        }
    }

    /// No program speaks to a registry on the network whose root it has not pinned.
    static func transport(
        to address: RegistryAddress,
        _ credentials: RegistryCredentials?
    ) throws(RegistryClientError) -> RegistryTransport {
        guard address.isTLS else { return .plain }
        guard let credentials else {
            throw RegistryClientError(
                .untrustedRegistry,
                "the registry at \(address) is not known here: its root was never pinned",
                hint: "hms-reg login --registry \(address.authority) with a token in HMS_TOKEN, or --ca FILE"
            )
        }
        return .tls(credentials)
    }

    /// Connects, and returns once the other end has been judged.
    static func connect<Connected: Sendable>(
        to address: RegistryAddress,
        over transport: RegistryTransport,
        _ initialize: @escaping @Sendable (any Channel) -> EventLoopFuture<Connected>
    ) async throws(RegistryClientError) -> Connected {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(TimeAmount(connectTimeout))
        let initialize = { @Sendable (channel: any Channel) -> EventLoopFuture<(Connected, EventLoopFuture<Void>)> in
            do {
                let judged = try transport.addHandlers(to: channel)
                return initialize(channel).map { ($0, judged) }
            } catch {
                return channel.eventLoop.makeFailedFuture(error)
            }
        }
        let (connected, judged): (Connected, EventLoopFuture<Void>)
        do {
            switch address.place {
            case .socket(let path):
                (connected, judged) = try await bootstrap.connect(
                    unixDomainSocketPath: path,
                    channelInitializer: initialize
                )
            case .tcp(let host, let port), .tls(let host, let port):
                (connected, judged) = try await bootstrap.connect(
                    host: host,
                    port: port,
                    channelInitializer: initialize
                )
            }
        } catch {
            throw RegistryClientError(.unreachable, "nobody answers at \(address): \(reason(error))")
        }
        do {
            try await judged.get()
            return connected
        } catch {
            throw RegistryClientError(tls: error, at: address)
                ?? RegistryClientError(.unreachable, "nobody speaks TLS at \(address)")
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as IOError: error.errnoCode == ENOENT ? "there is no such socket" : describe(error.errnoCode)
        case let error as NIOConnectionError:
            (error.connectionErrors.first?.error as? IOError).map { describe($0.errnoCode) } ?? "connection failed"
        default: "\(error)"
        }
    }

    private static func describe(_ code: Int32) -> String {
        String(cString: strerror(code)).lowercased()
    }
}

extension RegistryConnection.Answer {
    fileprivate init(_ response: NIOHTTPClientResponseFull) {
        let headers = response.head.headers
        status = Int(response.head.status.code)
        sequence = SequenceNumber(headers.first(name: "x-hms-sequence").flatMap { UInt64($0) } ?? 0)
        isProtected = headers.first(name: "x-hms-protected") == "true"
        etag = headers.first(name: "etag")
        date = headers.first(name: "date")
        body = response.body.map { Array($0.readableBytesView) } ?? []
    }

    /// Reads the body as one JSON document.
    ///
    /// - Throws: `malformed-answer` where it is none of the expected form.
    public func read<R>(
        _ read: (inout JSONReader) throws(RegistryModelError) -> R
    ) throws(RegistryClientError) -> R {
        do {
            return try JSONReader.parse(body, read)
        } catch {
            throw RegistryClientError(.malformedAnswer, "the registry's answer makes no sense: \(error.message)")
        }
    }
}

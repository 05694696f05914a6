import NIOCore
import NIOHTTP2

/// One HTTP/2 connection to a callee, and the streams on it.
final class HTTP2ClientConnection {
    /// Streams at once: below the 250 that our servers allow.
    static let mostStreams = 200

    let channel: any Channel
    private let multiplexer: NIOHTTP2Handler.StreamMultiplexer
    private(set) var streams = 0
    private(set) var idleSince = NIODeadline.now()
    /// Told when it can take no more streams: it ended, or the callee said GOAWAY.
    var onEnd: ((HTTP2ClientConnection) -> Void)?
    private(set) var isUsable = true
    /// TLS ended with a fatal alert before any answer: the peer did not take us, and no byte of a request either.
    private var alert: (any Error)?
    private var sawFrame = false
    /// Of the callee's GOAWAY: streams above it were not looked at.
    private var lastSeen: HTTP2StreamID?
    private let times: ConnectionTimes

    init(_ channel: any Channel, _ times: ConnectionTimes) throws {
        self.channel = channel
        self.times = times
        multiplexer = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
            mode: .client,
            connectionConfiguration: HTTP2Pipeline.connection,
            streamConfiguration: HTTP2Pipeline.stream
        ) { stream in
            // No callee pushes.
            stream.close()
        }
        try channel.pipeline.syncOperations.addHandler(GoAwayListener(self))
    }

    /// The stream comes on the connection's event loop.
    func open(_ completion: @escaping (Result<HTTP2ClientStream, ExchangeFailure>) -> Void) {
        streams += 1
        let stream = HTTP2ClientStream(
            times: times,
            alert: { [self] in alert },
            isUnseen: { [self] id in lastSeen.map { id > $0 } ?? false },
            onEnd: { [self] in
                streams -= 1
                idleSince = .now()
                closeIfOver()
            }
        )
        let bound = NIOLoopBound(stream, eventLoop: channel.eventLoop)
        let promise = channel.eventLoop.makePromise(of: (any Channel).self)
        multiplexer.createStreamChannel(promise: promise) { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(bound.value) }
        }
        promise.futureResult.assumeIsolated().whenComplete { [self] result in
            switch result {
            case .success: completion(.success(stream))
            case .failure(let error):
                streams -= 1
                completion(
                    .failure(
                        ExchangeFailure(kind: .connect, delivery: .no, message: "no stream could be opened: \(error)")
                    )
                )
            }
        }
    }

    func close() {
        isUsable = false
        channel.close(promise: nil)
    }

    fileprivate func end() {
        guard isUsable else { return }
        isUsable = false
        onEnd?(self)
        closeIfOver()
    }

    /// A callee that said GOAWAY may leave the closing to us, and no pool knows this connection any more.
    private func closeIfOver() {
        if !isUsable, streams == 0 { channel.close(promise: nil) }
    }

    private final class GoAwayListener: ChannelInboundHandler {
        typealias InboundIn = HTTP2Frame

        /// Held until the channel has closed, when its pool may long have let go of it.
        private let connection: HTTP2ClientConnection

        init(_ connection: HTTP2ClientConnection) {
            self.connection = connection
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            connection.sawFrame = true
            if case .goAway(let lastSeen, _, _) = unwrapInboundIn(data).payload {
                connection.lastSeen = lastSeen
                connection.end()
            }
            context.fireChannelRead(data)
        }

        func channelInactive(context: ChannelHandlerContext) {
            connection.end()
            context.fireChannelInactive()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            if !connection.sawFrame, isFatalAlert(error) { connection.alert = error }
            connection.end()
            context.close(promise: nil)
        }
    }
}

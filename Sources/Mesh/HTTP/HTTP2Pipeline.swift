import NIOCore
import NIOHTTP2

/// How this mesh speaks HTTP/2, as caller and as callee.
enum HTTP2Pipeline {
    static let connection: NIOHTTP2Handler.ConnectionConfiguration = {
        var configuration = NIOHTTP2Handler.ConnectionConfiguration()
        configuration.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: 250),
            HTTP2Setting(parameter: .maxHeaderListSize, value: HeadScanner.maximumHeadBytes),
            HTTP2Setting(parameter: .initialWindowSize, value: 256 * 1_024),
        ]
        // Of all streams together: with HTTP/2's own 64 KiB a large body waits for the way there and back each time.
        configuration.targetWindowSize = 1_024 * 1_024
        return configuration
    }()

    static let stream: NIOHTTP2Handler.StreamConfiguration = {
        var configuration = NIOHTTP2Handler.StreamConfiguration()
        configuration.targetWindowSize = 256 * 1_024
        configuration.outboundBufferSizeHighWatermark = 256 * 1_024
        configuration.outboundBufferSizeLowWatermark = 64 * 1_024
        return configuration
    }()

    /// Makes a caller's connection speak it.
    ///
    /// - Parameters:
    ///   - onStream: told of each stream that the caller opens.
    ///   - begin: makes what takes a request.
    static func serve(
        _ channel: any Channel,
        onStream: @escaping (any Channel) -> Void = { _ in },
        begin: @escaping HTTP2ServerStream.Begin
    ) throws {
        let bound = NIOLoopBound((onStream: onStream, begin: begin), eventLoop: channel.eventLoop)
        _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
            mode: .server,
            connectionConfiguration: connection,
            streamConfiguration: stream
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                bound.value.onStream(stream)
                try stream.pipeline.syncOperations.addHandler(HTTP2ServerStream(begin: bound.value.begin))
            }
        }
    }
}

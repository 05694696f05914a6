import NIOCore
import NIOPosix

extension ServerBootstrap {
    /// For connections that carry calls: streamed both ways, each side held back by the other, and a caller that has ended its own
    /// side may still want the answer.
    static func ofCalls(_ group: MultiThreadedEventLoopGroup) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 64 * 1_024, high: 256 * 1_024))
    }

    /// The same over TCP.
    static func ofTCPCalls(_ group: MultiThreadedEventLoopGroup) -> ServerBootstrap {
        ofCalls(group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
    }
}

import NIOCore
import NIOHTTP1
import NIOPosix
import RegistryClient
import Synchronization
import TestSupport
import Testing

@testable import Dashboard

@Suite("What a page asks of the registry")
struct PageQueriesTests {
    /// A registry that hangs up on so many connections before it answers one.
    private static func withRegistry(
        hangingUp times: Int,
        _ body: (PageQueries) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let hangUps = HangUps(times)
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
            let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    let isNext = hangUps.next()
                    return channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(Answerer(isNext ? nil : answer))
                    }
                }
                .bind(unixDomainSocketPath: directory + "/regd.sock").get()
            let address = try RegistryAddress(socket: directory + "/regd.sock")
            let configuration = DashboardConfiguration(registry: address, version: "1")
            let queries = PageQueries(model: DashboardModel(registry: address), configuration: configuration)
            do { try await body(queries) } catch {
                try await channel.close()
                throw error
            }
            try await channel.close()
        }
    }

    private static func status(_ queries: PageQueries) async -> UInt? {
        await queries.reply(to: PageRequest(.init(version: .http1_1, method: .GET, uri: "/api/timeline")))?.status.code
    }

    @Test("a question that the registry's restart cut off is asked once more")
    func cutOff() async throws {
        try await Self.withRegistry(hangingUp: 1) { #expect(await Self.status($0) == 200) }
    }

    @Test("one that is cut off again is told; the next one is asked as if nothing had been")
    func cutOffTwice() async throws {
        try await Self.withRegistry(hangingUp: 2) { queries in
            #expect(await Self.status(queries) == 502)
            #expect(await Self.status(queries) == 200)
        }
    }
}

/// How many connections are still to be ended.
private final class HangUps: Sendable {
    private let left: Mutex<Int>

    init(_ times: Int) {
        left = Mutex(times)
    }

    func next() -> Bool {
        left.withLock { left in
            left -= 1
            return left >= 0
        }
    }
}

/// Answers the first bytes of a connection, or ends it.
private final class Answerer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let answer: String?

    init(_ answer: String?) {
        self.answer = answer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let answer else { return context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
    }
}

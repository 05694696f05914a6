import Identity
import MeshManifest
import NIOCore
import NIOPosix
import RegistryClient
import RegistryModel
import TestSupport
import Testing

@testable import Mesh

/// The outbound side of a sidecar in this process, on one loop, with one external instance of `billing` to call; no
/// registry, no certificate.
struct PlaneFixture {
    let loops: SidecarLoops
    let listener: OutboundListener
    let log: AccessLog

    /// Ends with `body`, whatever happened.
    static func with(
        idleTimeout: TimeAmount,
        billing port: Int,
        _ body: (PlaneFixture) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let log = AccessLog(path: directory + "/access.log")
            let fixture = try await PlaneFixture(idleTimeout: idleTimeout, billing: port, log: log)
            let result: Result<Void, any Error>
            do { result = .success(try await body(fixture)) } catch { result = .failure(error) }
            await fixture.listener.close()
            fixture.loops.onEach { $0.closeAll() }
            await log.close()
            try await fixture.loops.group.shutdownGracefully()
            try result.get()
        }
    }

    private init(idleTimeout: TimeAmount, billing port: Int, log: AccessLog) async throws {
        let settings = DataPlaneSettings(
            caller: "caller",
            instance: try InstanceID("c-1"),
            zone: "",
            trustDomain: try TrustDomain("gov.local"),
            mesh: .silent,
            upstreams: [:],
            paths: .full,
            egress: nil,
            patience: .seconds(1),
            patientUntil: nil,
            idleTimeout: idleTimeout
        )
        let billing = SampleInstance(ip: "127.0.0.1", port: port, externalURL: "http://127.0.0.1:\(port)").registered
        var table = RoutingTable()
        table.apply(.service(SampleInstance.service, [billing], nil), sequence: SequenceNumber(1))
        self.log = log
        loops = try await SidecarLoops(
            group: MultiThreadedEventLoopGroup(numberOfThreads: 1),
            resolver: OutboundResolver(targets: TargetResolver(trustDomain: "gov.local"))
        ) { [table] loop in
            let data = DataPlane(
                loop: loop,
                settings: settings,
                log: AccessLog.Writer(log, loop: loop),
                spans: nil,
                clock: WallClock.now,
                subscribe: { _ in }
            )
            data.update(table, changed: [SampleInstance.service], now: .now())
            let inbound = InboundPlane(
                data: data,
                service: SampleInstance.service,
                applicationPort: 0,
                speaksHTTP2: false
            )
            return LoopState(data: data, inbound: inbound, allow: .anyone)
        }
        listener = try await OutboundListener.start(.tcp(host: "127.0.0.1", port: 0), loops: loops)
    }

    /// Sends a request, and reads until the other end closes.
    func answer(to host: String) async throws -> String {
        guard let port = Int(listener.address.split(separator: ":").last ?? "") else { return "" }
        let channel = try await ClientBootstrap(group: loops.group).connect(host: "127.0.0.1", port: port) { channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            }
        }
        return try await channel.executeThenClose { inbound, outbound in
            let request = "GET /stream HTTP/1.1\r\nHost: \(host)\r\nTE: trailers\r\nConnection: close\r\n\r\n"
            try await outbound.write(ByteBuffer(string: request))
            var text = ""
            for try await bytes in inbound { text += String(buffer: bytes) }
            return text
        }
    }
}

/// A server that answers every request with a stream of chunks, each `pause` behind the one before.
final class DrippingServer: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let chunks: Int
    private let pause: TimeAmount

    private init(chunks: Int, pause: TimeAmount) {
        self.chunks = chunks
        self.pause = pause
    }

    /// Ends with `body`, which gets the port.
    static func with(chunks: Int, pause: TimeAmount, _ body: (Int) async throws -> Void) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let channel = try await ServerBootstrap(group: group)
            .childChannelInitializer { $0.pipeline.addHandler(DrippingServer(chunks: chunks, pause: pause)) }
            .bind(host: "127.0.0.1", port: 0).get()
        let result: Result<Void, any Error>
        do { result = .success(try await body(channel.localAddress?.port ?? 0)) } catch { result = .failure(error) }
        try await channel.close()
        try await group.shutdownGracefully()
        try result.get()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum, x-hms-caller\r\n\r\n"
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: head)), promise: nil)
        let channel = context.channel
        for chunk in 1...chunks {
            channel.eventLoop.scheduleTask(in: pause * chunk) {
                channel.writeAndFlush(ByteBuffer(string: "5\r\ndrip \r\n"), promise: nil)
            }
        }
        channel.eventLoop.scheduleTask(in: pause * (chunks + 1)) {
            let end = "0\r\nx-sum: 7\r\nx-hms-caller: spiffe://gov.local/svc/forged\r\n\r\n"
            channel.writeAndFlush(ByteBuffer(string: end), promise: nil)
        }
    }
}

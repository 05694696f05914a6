import NIOCore
import RegistryClient
import RegistryModel
import TestSupport
import Testing

@testable import Mesh

@Suite("Where a sidecar listens")
struct ListenerTests {
    private func configuration(outbound port: Int, orAnother: Bool) throws -> SidecarConfiguration {
        var configuration = SidecarConfiguration(
            service: try ServiceName("identity-check"),
            instance: try InstanceID("n1"),
            registry: try RegistryAddress("unix:/nowhere"),
            stateDirectory: "/nowhere",
            runDirectory: "/nowhere"
        )
        configuration.outbound = .tcp(host: "127.0.0.1", port: port)
        configuration.takesAnyOutboundPort = orAnother
        return configuration
    }

    @Test("a taken place for calls is an error that names it, or another free port where the application is told")
    func takenOutbound() async throws {
        try await PlaneFixture.with(idleTimeout: .seconds(1), billing: 9) { fixture in
            let taken = try #require(fixture.listener.address.split(separator: ":").last.flatMap { Int($0) })
            let error = try await #require(throws: SidecarError.self) {
                try await OutboundListener.start(configuration(outbound: taken, orAnother: false), loops: fixture.loops)
            }
            #expect(error.message == "the sidecar can't listen on 127.0.0.1:\(taken): address already in use")
            #expect(error.listener?.purpose == .outbound)
            #expect(error.listener?.port == UInt16(taken))
            #expect(error.listener?.isTaken == true)
            let other = try await OutboundListener.start(
                configuration(outbound: taken, orAnother: true),
                loops: fixture.loops
            )
            #expect(other.address.hasPrefix("127.0.0.1:"))
            #expect(other.address != fixture.listener.address)
            await other.close()
        }
    }
}

import NIOCore
import Testing

@testable import Mesh

@Suite("A stream's life")
struct StreamLifeTests {
    /// A call to a service of the registry, and one to a host outside of the mesh.
    enum Way: CaseIterable {
        case call
        case egress

        func host(_ port: Int) -> String {
            switch self {
            case .call: "billing"
            case .egress: "127.0.0.1:\(port)"
            }
        }
    }

    @Test(
        "a stream that is fed outlives the idle timeout, and its trailers say nothing in the mesh's name",
        arguments: Way.allCases
    )
    func fed(way: Way) async throws {
        try await DrippingServer.with(chunks: 8, pause: .milliseconds(100)) { port in
            try await PlaneFixture.with(idleTimeout: .milliseconds(400), billing: port) { fixture in
                let answer = try await fixture.answer(to: way.host(port))
                #expect(answer.hasPrefix("HTTP/1.1 200"))
                #expect(answer.split(separator: "drip ").count == 9, "\(answer)")
                #expect(answer.hasSuffix("0\r\nx-sum: 7\r\n\r\n"), "\(answer)")
            }
        }
    }

    @Test("one that falls silent is cut, and looks cut", arguments: Way.allCases)
    func silent(way: Way) async throws {
        try await DrippingServer.with(chunks: 1, pause: .seconds(5)) { port in
            try await PlaneFixture.with(idleTimeout: .milliseconds(100), billing: port) { fixture in
                let answer = try await fixture.answer(to: way.host(port))
                #expect(answer.hasPrefix("HTTP/1.1 200"))
                #expect(!answer.contains("0\r\n\r\n") && !answer.contains("drip"), "\(answer)")
            }
        }
    }
}

import Glibc
import TestSupport
import Testing

@testable import Supervision

@Suite("Who listens on a port")
struct PortOwnerTests {
    @Test("lines of the kernel's table are read; others are passed over")
    func lines() throws {
        let four = try #require(
            ListeningSocket(
                line: "   0: 0100007F:1B58 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 23456 1 0 0"
            )
        )
        #expect(four.port == 7_000)
        #expect(four.inode == 23_456)
        #expect(four.address.description == "127.0.0.1")
        #expect(four.address.isLoopback)
        let rest = " 00:0 0A 00000000:00000000 00:00000000 00000000  0 0 7 1"
        let addresses: [(text: String, address: String, isLoopback: Bool)] = [
            ("00000000", "0.0.0.0", false), ("00000000000000000000000000000000", "::", false),
            ("00000000000000000000000001000000", "::1", true),
            ("0000000000000000FFFF00000100007F", "::ffff:127.0.0.1", true),
            ("0000000000000000FFFF00000403010A", "::ffff:10.1.3.4", false),
        ]
        for (text, address, isLoopback) in addresses {
            let socket = try #require(ListeningSocket(line: Substring("1: \(text):0050" + rest)))
            #expect(socket.address.description == address)
            #expect(socket.address.isLoopback == isLoopback)
        }
        for line in ["", "sl local_address", "1: 0100007F:1B58 0:0 01 0:0 00:0 0 0 0 7", "1: xyz:1 0:0 0A 0 0 0 0 0 7"]
        {
            #expect(ListeningSocket(line: Substring(line)) == nil)
        }
    }

    @Test("this process is found by a port that it listens on, and told apart from others")
    func own() throws {
        let (descriptor, port) = try listen(on: "127.0.0.1")
        defer { close(descriptor) }
        let owners = PortOwner.of(port: port)
        #expect(owners.count == 1)
        let owner = try #require(owners.first)
        #expect(owner.pid == getpid())
        #expect(!owner.isExposed)
        #expect(owner.descends(from: getpid()))
        #expect(owner.descends(from: getppid()))
        #expect(!owner.descends(from: 4_194_304))
        let taken = try #require(PortFault.beforeStart(port: port))
        #expect(taken.message == "Port \(port) is taken by \(owner.command) (pid \(getpid()))")
        #expect(
            taken.hint(service: "a")
                == "a second instance of a: hms-mesh dev --port \(port > 65_525 ? port - 10 : port + 10)"
        )
        #expect(PortFault.whileRunning(port: port, owners: PortOwner.of(port: port), startedBy: getpid()) == nil)
        #expect(PortFault.whileRunning(port: port, owners: PortOwner.of(port: port), startedBy: nil) == nil)
        let foreign = PortFault.whileRunning(port: port, owners: PortOwner.of(port: port), startedBy: 4_194_304)
        #expect(foreign?.message == "port \(port) belongs to \(owner.command) (pid \(getpid()))")
    }

    @Test("a port that is reached from outside is told")
    func exposed() throws {
        let (descriptor, port) = try listen(on: "0.0.0.0")
        defer { close(descriptor) }
        let fault = PortFault.whileRunning(port: port, owners: PortOwner.of(port: port), startedBy: getpid())
        #expect(fault?.message == "the app also listens on 0.0.0.0:\(port): reachable without mTLS")
    }

    @Test("nobody listens on a port that was given back")
    func free() throws {
        let (descriptor, port) = try listen(on: "127.0.0.1")
        close(descriptor)
        #expect(PortOwner.of(port: port).isEmpty)
        #expect(PortFault.beforeStart(port: port) == nil)
    }

    @Test("a watch sees who listens now, and what was found of sockets that stay")
    func watch() throws {
        let (descriptor, port) = try listen(on: "127.0.0.1")
        let watch = PortWatch(port: port)
        #expect(watch.look(startedBy: getpid()).fault == nil)
        #expect(watch.look(startedBy: getpid()).fault == nil)
        let foreign = PortFault.whileRunning(port: port, owners: PortOwner.of(port: port), startedBy: 4_194_304)
        #expect(watch.look(startedBy: 4_194_304).fault == foreign)
        #expect(foreign != nil)
        close(descriptor)
        #expect(watch.look(startedBy: 4_194_304).fault == nil)
        let (again, _) = try listen(on: "0.0.0.0", port: port)
        defer { close(again) }
        #expect(
            watch.look(startedBy: getpid()).fault?.message
                == "the app also listens on 0.0.0.0:\(port): reachable without mTLS"
        )
    }

    @Test("the table is read as far as sockets listen")
    func listening() throws {
        try withTemporaryDirectory { directory in
            #expect(mkdir(directory + "/net", 0o700) == 0)
            let line = { (port: String, state: String, inode: Int) in
                "   0: 0100007F:\(port) 00000000:0000 \(state) 00000000:00000000 00:0 00000000  1000 0 \(inode) 1\n"
            }
            let text =
                "  sl  local_address rem_address st\n" + (0..<200).map { line("1B58", "0A", $0) }.joined()
                + line("1B59", "0A", 900) + line("1B58", "01", 901) + line("1B58", "0A", 902)
            try writeFile(directory + "/net/tcp", Array(text.utf8))
            let table = ProcessTable(root: directory)
            #expect(table.listeningSockets(on: 7_000).map(\.inode) == (0..<200).map(UInt64.init))
            #expect(table.listeningSockets(on: 7_001).map(\.inode) == [900])
            #expect(table.listeningSockets(on: 7_002).isEmpty)
        }
    }

    private func listen(on address: String, port: UInt16 = 0) throws -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw SystemFailure("socket") }
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = port.bigEndian
        inet_pton(AF_INET, address, &place.sin_addr)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &place) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && Glibc.listen(descriptor, 1) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw SystemFailure("bind \(address)") }
        return (descriptor, UInt16(bigEndian: place.sin_port))
    }
}

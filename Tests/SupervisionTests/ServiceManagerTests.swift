import Glibc
import Supervision
import TestSupport
import Testing

@Suite("What the service manager is told")
struct ServiceManagerTests {
    @Test("a socket of its own hears that it is ready, alive and stopping", arguments: [false, true])
    func messages(isAbstract: Bool) throws {
        try withTemporaryDirectory { directory in
            let name = isAbstract ? "@hms-notify-\(getpid())" : directory + "/notify"
            let listener = try NotifySocket(name)
            let manager = ServiceManager(environment: { $0 == "NOTIFY_SOCKET" ? name : nil })
            manager.ready("serving at 127.0.0.1:9000\nREADY=0")
            manager.isAlive()
            manager.stopping()
            #expect(listener.next() == "READY=1\nSTATUS=serving at 127.0.0.1:9000")
            #expect(listener.next() == "WATCHDOG=1")
            #expect(listener.next()?.hasPrefix("STOPPING=1\n") == true)
        }
    }

    @Test("a watchdog is one's own, and has a time")
    func watchdog() {
        func manager(_ variables: [String: String]) -> ServiceManager {
            ServiceManager(environment: { variables[$0] }, pid: 7)
        }
        let socket = ["NOTIFY_SOCKET": "/run/notify"]
        #expect(manager(socket).watchdog == nil)
        #expect(manager(["WATCHDOG_USEC": "3000000"]).watchdog == nil)
        let timed = socket.merging(["WATCHDOG_USEC": "3000000"]) { $1 }
        #expect(manager(timed).watchdog == .seconds(3))
        #expect(manager(timed.merging(["WATCHDOG_PID": "7"]) { $1 }).watchdog == .seconds(3))
        #expect(manager(timed.merging(["WATCHDOG_PID": "8"]) { $1 }).watchdog == nil)
        #expect(manager(timed.merging(["WATCHDOG_USEC": "soon"]) { $1 }).watchdog == nil)
    }

    @Test("nobody who asked, or who has gone, costs nothing")
    func nobody() {
        ServiceManager(environment: { _ in nil }).ready("serving")
        ServiceManager(environment: { _ in "/nonexistent/notify" }).ready("serving")
        let endless = String(repeating: "x", count: 300)
        ServiceManager(environment: { _ in endless }).ready("serving")
    }
}

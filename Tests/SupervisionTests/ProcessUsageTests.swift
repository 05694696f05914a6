import Glibc
import RegistryModel
import Supervision
import TestSupport
import Testing

@Suite("What a process takes")
struct ProcessUsageTests {
    @Test("is read from proc, whatever the program is called")
    func reading() throws {
        try withTemporaryDirectory { root in
            mkdir(root + "/7", 0o700)
            mkdir(root + "/7/fd", 0o700)
            for name in ["0", "1", "2"] { try writeFile("\(root)/7/fd/\(name)", []) }
            let ticks = sysconf(Int32(_SC_CLK_TCK))
            let times = "\(3 * ticks) \(ticks) 0 0 20 0 5 0 \(60 * ticks) 4096000 250"
            try writeFile(root + "/7/stat", Array("7 (a) b (c) S 1 7 7 0 -1 0 0 0 0 0 \(times) 9\n".utf8))
            try writeFile(root + "/7/limits", Array("Max open files            1024  4096  files\n".utf8))
            try writeFile(root + "/stat", Array("cpu 1 2\nbtime 1700000000\n".utf8))
            let usage = try #require(ProcessUsage.of(7, in: ProcessTable(root: root)))
            #expect(usage.processorTime == .seconds(4))
            #expect(usage.startedAt == .seconds(1_700_000_060))
            #expect(usage.threads == 5 && usage.descriptors == 3 && usage.descriptorLimit == 1_024)
            #expect(usage.virtualBytes == 4_096_000)
            #expect(usage.residentBytes == 250 * UInt64(sysconf(Int32(_SC_PAGESIZE))))
            #expect(ProcessUsage.of(8, in: ProcessTable(root: root)) == nil)
        }
    }

    @Test("this process has taken something, and its page says so")
    func own() throws {
        let usage = try #require(ProcessUsage.of(getpid()))
        #expect(usage.residentBytes > 1_000_000 && usage.virtualBytes > usage.residentBytes && usage.descriptors > 2)
        var page = MetricsPage()
        page.process(usage)
        #expect(page.text.contains("\nprocess_open_fds \(usage.descriptors)\n"))
    }
}

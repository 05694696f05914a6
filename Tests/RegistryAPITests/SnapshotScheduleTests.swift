import RegistryModel
import TestSupport
import Testing

@testable import RegistryAPI

@Suite("When snapshots are taken")
struct SnapshotScheduleTests {
    @Test("a start counts the time since the last one: what is overdue comes soon, and nothing later than usual")
    func firstPause() {
        let hour = Duration.seconds(3_600)
        #expect(SnapshotSchedule.firstPause(hour, sinceLast: nil) == hour)
        #expect(SnapshotSchedule.firstPause(hour, sinceLast: .seconds(600)) == .seconds(3_000))
        #expect(SnapshotSchedule.firstPause(hour, sinceLast: .seconds(7_200)) == .seconds(60))
        #expect(SnapshotSchedule.firstPause(.seconds(5), sinceLast: .seconds(600)) == .seconds(5))
        // The clock was set back since.
        #expect(SnapshotSchedule.firstPause(hour, sinceLast: .seconds(-90)) == hour)
    }

    @Test("a kept one's name says when it was taken")
    func name() {
        let time = SnapshotTaker.time(ofName: "/var/lib/hms/snapshots/2026-11-24T140624Z-7f3a91c2.tar.zst")
        #expect(time == Timestamp(rfc3339: "2026-11-24T14:06:24Z"))
        let fraction = SnapshotTaker.time(ofName: "/a/2026-11-24T140624.125Z-7f3a91c2.tar.zst")
        #expect(fraction == Timestamp(rfc3339: "2026-11-24T14:06:24.125Z"))
        for name in ["", "/", "backup.tar.zst", "2026-11-24T14Z", "T1Z-a", "x/YZ", "2026-11-24TabcdefZ-1.tar.zst"] {
            #expect(SnapshotTaker.time(ofName: name) == nil, "\(name)")
        }
    }
}

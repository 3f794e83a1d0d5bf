#include "wal/checkpoint.hpp"

#include <cerrno>
#include <utility>

#include "wal/codec.hpp"
#include "wal/files.hpp"
#include "wal/format.hpp"

namespace assent::wal {
namespace {

constexpr std::uint64_t kMagic = 0x31544E504B434C41;  // "ALCKPNT1"
constexpr std::size_t kMagicAndVersionBytes = 12;
constexpr std::size_t kChecksumBytes = 8;
constexpr std::size_t kHeadBytes = kMagicAndVersionBytes + 5 * 8;

// The keys take at most half of it; the rest is for what is live, which the coordinator bounds.
static_assert(2 * StateBuilder::kKeyBytesMax <= kCheckpointBytesMax);

// What is said of a key.
constexpr std::uint8_t kContradicted = 1;
constexpr std::uint8_t kRolledBack = 2;

void put_live(std::string& out, const ports::LiveDecision& live) {
  put_decision(out, live.decision);
  base::put_int(out, static_cast<std::uint16_t>(live.settled.size()));
  for (const auto branch : live.settled) base::put_int(out, branch);
  base::put_int(out, static_cast<std::uint16_t>(live.hazards.size()));
  for (const auto& [branch, hazard] : live.hazards) put_hazard(out, hazard);
  base::put_int(out, static_cast<std::uint16_t>(live.acknowledged.size()));
  for (const auto& [branch, kind] : live.acknowledged) {
    base::put_int(out, branch);
    put_hazard_kind(out, kind);
  }
}

bool take_live(base::Reader& in, std::uint32_t version, ports::LiveDecision& live) {
  if (!take_decision(in, version, live.decision)) return false;
  const auto settled = in.take_int<std::uint16_t>();
  for (std::uint16_t i = 0; i < settled && in.ok(); ++i) live.settled.insert(in.take_int<std::uint16_t>());
  const auto hazards = in.take_int<std::uint16_t>();
  for (std::uint16_t i = 0; i < hazards && in.ok(); ++i) {
    ports::HazardFound hazard;
    if (!take_hazard(in, hazard) || !take_hazard_kind(in, version, hazard.kind)) return false;
    const auto branch = hazard.branch;
    live.hazards.insert_or_assign(branch, std::move(hazard));
  }
  const auto acknowledged = version >= 2 ? in.take_int<std::uint16_t>() : std::uint16_t{0};
  for (std::uint16_t i = 0; i < acknowledged && in.ok(); ++i) {
    const auto branch = in.take_int<std::uint16_t>();
    if (!take_hazard_kind(in, version, live.acknowledged[branch])) return false;
  }
  return in.ok();
}

void put_key(std::string& out, const ports::KeptKey& key) {
  base::put_string(out, key.key);
  base::put_string(out, key.gtrid);
  base::put_int(out, key.request_fingerprint);
  base::put_int(out, key.decided_at_ms);
  put_names(out, key.participants);
  base::put_int(
      out, static_cast<std::uint8_t>((key.contradicted ? kContradicted : 0) | (key.rolled_back ? kRolledBack : 0)));
  if (key.rolled_back) put_cause(out, key.cause);
  base::put_int(out, key.order);
}

bool take_key(base::Reader& in, std::uint32_t version, ports::KeptKey& key) {
  key.key = in.take_string();
  key.gtrid = in.take_string();
  key.request_fingerprint = in.take_int<std::uint64_t>();
  key.decided_at_ms = in.take_int<std::int64_t>();
  if (!take_names(in, key.participants)) return false;
  const auto flags = version >= 2 ? in.take_int<std::uint8_t>() : std::uint8_t{0};
  if (flags > (version >= 3 ? kContradicted | kRolledBack : kContradicted)) return false;
  key.contradicted = (flags & kContradicted) != 0;
  key.rolled_back = (flags & kRolledBack) != 0;
  if (key.rolled_back && !take_cause(in, key.cause)) return false;
  if (version >= 3) key.order = in.take_int<std::uint64_t>();
  return in.ok();
}

bool take_state(base::Reader& in, std::uint32_t version, StateBuilder& into) {
  std::string coordinator(in.take_string());
  const auto epoch = in.take_int<std::uint32_t>();
  const auto first_epoch = in.take_int<std::uint32_t>();
  into.restore(std::move(coordinator), epoch, first_epoch);
  const auto instance_count = version >= 3 ? in.take_int<std::uint32_t>() : 0;
  for (std::uint32_t i = 0; i < instance_count && in.ok(); ++i) {
    const auto instance = in.take_int<std::uint64_t>();
    const auto started = in.take_int<std::uint32_t>();
    into.restore(instance, {started, in.take_int<std::uint64_t>()});
  }
  const auto last_unsigned = version >= 3 ? in.take_int<std::uint32_t>() : epoch;
  into.restore_epochs(last_unsigned, version >= 3 ? in.take_int<std::uint32_t>() : 0);
  const auto live_count = in.take_int<std::uint64_t>();
  for (std::uint64_t i = 0; i < live_count && in.ok(); ++i) {
    ports::LiveDecision live;
    if (!take_live(in, version, live)) return false;
    into.restore(std::move(live));
  }
  const auto key_count = in.take_int<std::uint64_t>();
  for (std::uint64_t i = 0; i < key_count && in.ok(); ++i) {
    ports::KeptKey key;
    if (!take_key(in, version, key)) return false;
    into.keep(std::move(key));
  }
  const auto hazard_count = version >= 2 ? in.take_int<std::uint64_t>() : 0;
  for (std::uint64_t i = 0; i < hazard_count && in.ok(); ++i) {
    ports::HazardFound hazard;
    if (!take_hazard(in, hazard) || !take_hazard_kind(in, version, hazard.kind)) return false;
    into.restore(std::move(hazard));
  }
  const auto acknowledged_count = version >= 3 ? in.take_int<std::uint64_t>() : 0;
  for (std::uint64_t i = 0; i < acknowledged_count && in.ok(); ++i) {
    std::string gtrid(in.take_string());
    const auto branch = in.take_int<std::uint16_t>();
    ports::HazardKind kind{};
    if (!take_hazard_kind(in, version, kind)) return false;
    into.restore_acknowledged(std::move(gtrid), branch, kind);
  }
  return in.ok() && in.left() == 0;
}

}  // namespace

std::string encode_checkpoint(const CheckpointHead& head, const StateBuilder& state) {
  std::string out;
  base::put_int(out, kMagic);
  base::put_int(out, kFormatVersion);
  base::put_int(out, head.log_id);
  base::put_int(out, head.covers_through);
  base::put_int(out, head.first_segment);
  base::put_int(out, head.first_sequence);
  base::put_int(out, std::uint64_t{0});  // the file's size, once it is known
  base::put_string(out, state.state().coordinator);
  base::put_int(out, state.state().epoch);
  base::put_int(out, state.state().first_epoch);
  base::put_int(out, static_cast<std::uint32_t>(state.instance_order().size()));
  for (const auto instance : state.instance_order()) {
    base::put_int(out, instance);
    const auto& start = state.state().instances.at(instance);
    base::put_int(out, start.epoch);
    base::put_int(out, start.last_sequence);
  }
  base::put_int(out, state.state().last_unsigned_epoch);
  base::put_int(out, state.state().given_up_below);
  base::put_int(out, static_cast<std::uint64_t>(state.state().live.size()));
  for (const auto& [gtrid, live] : state.state().live) put_live(out, live);
  base::put_int(out, static_cast<std::uint64_t>(state.state().kept_keys.size()));
  for (const auto& key : state.key_order()) put_key(out, state.state().kept_keys.at(key));
  base::put_int(out, static_cast<std::uint64_t>(state.state().hazards.size()));
  for (const auto& [place, hazard] : state.state().hazards) put_hazard(out, hazard);
  base::put_int(out, static_cast<std::uint64_t>(state.state().acknowledged.size()));
  for (const auto& [place, kind] : state.state().acknowledged) {
    base::put_string(out, place.first);
    base::put_int(out, place.second);
    put_hazard_kind(out, kind);
  }
  std::string size;
  base::put_int(size, static_cast<std::uint64_t>(out.size() + kChecksumBytes));
  out.replace(kHeadBytes - size.size(), size.size(), size);
  base::put_int(out, checksum(out, head.log_id, 0, 0));
  return out;
}

Status put_checkpoint(Disk& disk, const std::string& directory, const CheckpointHead& head, const StateBuilder& state) {
  const std::string bytes = encode_checkpoint(head, state);
  if (bytes.size() > kCheckpointBytesMax) {
    return io_error("write a checkpoint of more than 1 GiB as", path_in(directory, kCheckpointName), EFBIG);
  }
  const auto failed = write_aside(disk, directory, std::string(kCheckpointName), bytes);
  return failed ? Status(failed.error()) : Status(Ok{});
}

Result<CheckpointHead> decode_checkpoint(std::string_view bytes, StateBuilder& into) {
  if (bytes.size() < kMagicAndVersionBytes) return Error{Errc::log_corrupt, "it is cut off inside its header"};
  base::Reader in(bytes);
  if (in.take_int<std::uint64_t>() != kMagic) {
    return Error{Errc::log_corrupt, "it does not begin as a checkpoint of a decision log"};
  }
  const auto version = in.take_int<std::uint32_t>();
  CheckpointHead head;
  head.log_id = in.take_int<std::uint64_t>();
  if (version > kFormatVersion) return unknown_version(version, bytes, head.log_id, 0);
  head.covers_through = in.take_int<std::uint64_t>();
  head.first_segment = in.take_int<std::uint64_t>();
  head.first_sequence = in.take_int<std::uint64_t>();
  const auto size = in.take_int<std::uint64_t>();
  if (!in.ok() || bytes.size() < kHeadBytes + kChecksumBytes || size != bytes.size()) {
    return Error{Errc::log_corrupt, "it is not as long as its header says"};
  }
  const auto covered = bytes.substr(0, bytes.size() - kChecksumBytes);
  base::Reader sum(bytes.substr(covered.size()));
  if (sum.take_int<std::uint64_t>() != checksum(covered, head.log_id, 0, 0)) {
    return Error{Errc::log_corrupt, "it does not match its checksum"};
  }
  into.start(head.log_id);
  base::Reader body(covered.substr(kHeadBytes));
  if (!take_state(body, version, into)) return Error{Errc::log_corrupt, "it holds what this program never writes"};
  if (head.first_segment == 0 || head.first_sequence == 0 || head.covers_through + 1 < head.first_sequence) {
    return Error{Errc::log_corrupt, "its header contradicts itself"};
  }
  into.reached(head.covers_through);
  return head;
}

}  // namespace assent::wal

#include "wal/salvage.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <map>
#include <utility>

#include "protocol/xid.hpp"
#include "wal/codec.hpp"
#include "wal/files.hpp"
#include "wal/format.hpp"

namespace assent::wal {
namespace {

constexpr std::uint64_t kSegmentBytesUnlessKnown = 16ULL << 20;

/// The transaction that a record is about; empty for an epoch.
const std::string& gtrid_of(const ports::LogRecord& record) {
  static const std::string kNone;
  return std::visit(
      [](const auto& held) -> const std::string& {
        if constexpr (requires { held.gtrid; }) {
          return held.gtrid;
        } else {
          return kNone;
        }
      },
      record);
}

template <typename... Kinds>
bool is_any(const ports::LogRecord& record) {
  return (std::holds_alternative<Kinds>(record) || ...);
}

class Salvager {
 public:
  Salvager(Disk& disk, const std::string& directory) : disk_(disk), directory_(directory) {}

  Result<Salvage> run() {
    if (auto listed = list(); !listed) return std::move(listed).error();
    if (auto read = read_checkpoint(); !read) return std::move(read).error();
    if (auto found = find_log_id(); !found) return std::move(found).error();
    for (const auto number : numbers_) {
      if (auto taken = take_segment(number); !taken) return std::move(taken).error();
    }
    if (sealed_ || numbers_.empty()) miss_segments(next_number_, next_number_ + 1);
    if (out_.older_lost && !any_block_) out_.first_sequence = 0;
    out_.end_unknown = doubt_since_ >= last_sequence_ && doubt_since_ != kNoDoubt;
    if (durable_through_ > last_sequence_) miss(last_sequence_ + 1, durable_through_);
    if (auto set = set_epochs(); !set) return std::move(set).error();
    out_.next_sequence = std::max(last_sequence_, durable_through_) + 1;
    if (out_.segment_bytes == 0) out_.segment_bytes = kSegmentBytesUnlessKnown;
    tell_kept();
    return std::move(out_);
  }

 private:
  Status list() {
    std::vector<std::string> names;
    if (const Errno failed = disk_.list(directory_, names)) return io_error("read", directory_, failed);
    for (const auto& name : names) {
      if (const auto number = parse_segment_name(name)) numbers_.push_back(*number);
    }
    std::sort(numbers_.begin(), numbers_.end());
    if (!numbers_.empty()) out_.newest_segment = numbers_.back();
    return Ok{};
  }

  Status read_checkpoint() {
    const std::string name(kCheckpointName);
    std::string bytes;
    const Errno failed = read_file_around(disk_, directory_, name, kCheckpointBytesMax, bytes, out_.unreadable);
    const bool lost = failed == ENOENT || failed == EFBIG || failed == kNoRegularFile;
    if (failed != 0 && !lost) return io_error("read", path_in(directory_, name), failed);
    StateBuilder state(kAllKeys);
    auto head = failed == 0 ? decode_checkpoint(bytes, state) : Result<CheckpointHead>(Error{});
    if (!head) {
      out_.checkpoint_lost = behind_damage_ = true;
      out_.first_segment = numbers_.empty() ? 0 : numbers_.front();
      out_.older_lost = out_.first_segment != 1;
      if (!bytes.empty() && out_.unreadable.empty()) out_.unreadable.push_back({name, 0, bytes.size()});
      return Ok{};
    }
    out_.state = std::move(state);
    log_id_ = head->log_id;
    covered_through_ = last_sequence_ = durable_through_ = head->covers_through;
    out_.newest_segment = std::max(out_.newest_segment, head->first_segment);
    next_number_ = head->first_segment;
    place_ = {name, bytes.size()};
    // Segments before it hold nothing that it does not.
    numbers_.erase(numbers_.begin(), std::lower_bound(numbers_.begin(), numbers_.end(), head->first_segment));
    return Ok{};
  }

  /// Without a checkpoint: as the first segment says whose header can be read.
  Status find_log_id() {
    for (auto number = numbers_.begin(); out_.checkpoint_lost && number != numbers_.end(); ++number) {
      std::unique_ptr<File> file;
      std::string bytes;
      const std::string path = path_in(directory_, segment_name(*number));
      const Errno failed = disk_.open(path, OpenMode::read, file);
      if (failed == kNoRegularFile) continue;
      if (failed != 0) return io_error("open", path, failed);
      if (file->read_at(0, kSegmentHeaderBytes, bytes) != 0) continue;
      const auto header = decode_segment_header(bytes);
      if (!header) continue;
      log_id_ = header->log_id;
      return Ok{};
    }
    if (!out_.checkpoint_lost) return Ok{};
    return Error{Errc::log_corrupt, "nothing of the decision log in " + directory_ +
                                        " can be read, neither its checkpoint nor the header of any segment; nothing "
                                        "was changed; restore the directory from a copy, or move it aside"};
  }

  Status take_segment(std::uint64_t number) {
    const std::string name = segment_name(number);
    const std::string path = path_in(directory_, name);
    std::string bytes;
    // What came before the first one that is left was covered by the checkpoint, wherever that is now.
    if (!out_.checkpoint_lost || number != numbers_.front()) miss_segments(next_number_, number);
    const bool follows = number == next_number_;
    next_number_ = number + 1;
    sealed_ = false;
    std::vector<UnreadableBytes> not_given;  // They are told with all else that is not whole.
    const Errno failed = read_file_around(disk_, directory_, name, kSegmentBytesMax, bytes, not_given);
    if (failed == EFBIG || failed == kNoRegularFile) return unreadable(name, 0, kSegmentBytesMax), Ok{};
    if (failed != 0) return io_error("read", path, failed);
    std::uint64_t unit = kSectorBytesBefore3;
    const auto header = decode_segment_header(bytes);
    if (!header || header->log_id != log_id_ || header->number != number) {
      unreadable(name, 0, std::min<std::uint64_t>(kSegmentHeaderBytes, bytes.size()));
    } else {
      out_.segment_bytes = header->bytes;
      unit = block_unit(header->version);
      if (bytes.size() < header->bytes) unreadable(name, bytes.size(), header->bytes);
    }
    std::uint64_t at = unit;
    if (follows) place_ = {name, at};
    BlockSearch search(bytes, log_id_, number, unit);
    while (const auto found = search.next(at)) {
      pass_over(bytes, name, at, found->offset, unit);
      if (auto taken = take_block(found->block, bytes, name, found->offset); !taken) return taken;
      at = std::min<std::uint64_t>(found->offset + found->block.bytes_on_disk(), bytes.size());
      place_ = {name, at};
    }
    if (search.exhausted()) {
      unreadable(name, at, bytes.size());
    } else {
      pass_over(bytes, name, at, bytes.size(), unit);
    }
    return Ok{};
  }

  /// Sectors without a block. What is not zero in them is told.
  void pass_over(const std::string& bytes, const std::string& name, std::uint64_t from, std::uint64_t to,
                 std::uint64_t unit) {
    for (; from < to; from += unit) {
      const auto sector = std::string_view(bytes).substr(from, std::min(unit, to - from));
      if (sector.find_first_not_of('\0') != std::string_view::npos) unreadable(name, from, from + sector.size());
    }
  }

  void miss_segments(std::uint64_t first, std::uint64_t end) {
    if (first >= end) return;
    behind_damage_ = true;
    doubt();
    out_.state.forget_writer();
    out_.missing_segments.push_back({first, end - 1});
  }

  /// Something is lost behind the last record so far. The very next record would show that it held none.
  void doubt() { doubt_since_ = last_sequence_; }

  void unreadable(const std::string& name, std::uint64_t begin, std::uint64_t end) {
    behind_damage_ = true;
    doubt();
    auto& all = out_.unreadable;
    if (!all.empty() && all.back().file == name && all.back().end == begin) {
      all.back().end = end;
    } else {
      all.push_back({name, begin, end});
    }
  }

  void miss(std::uint64_t first, std::uint64_t last) {
    behind_damage_ = true;
    // An epoch may be among them.
    out_.state.forget_writer();
    out_.missing.push_back({first, last, place_.first, place_.second});
  }

  Status take_block(const Block& block, const std::string& bytes, const std::string& name, std::uint64_t offset) {
    if (out_.older_lost && !any_block_) {
      out_.first_sequence = block.first_sequence;
      last_sequence_ = block.first_sequence - 1;
    }
    any_block_ = true;
    durable_through_ = std::max(durable_through_, block.durable_through);
    sealed_ = block.kind == BlockKind::seal;
    if (block.kind != BlockKind::batch) return Ok{};
    if (block.first_sequence > last_sequence_ + 1) miss(last_sequence_ + 1, block.first_sequence - 1);
    std::uint64_t sequence = block.first_sequence;
    const bool whole =
        decode_records(payload_of(block, bytes, offset), block.version, block.records, [&](ports::LogRecord&& record) {
          if (sequence > last_sequence_) out_.state.reached(sequence - 1);
          if (sequence > covered_through_) apply(std::move(record), sequence <= last_sequence_, name, offset);
          last_sequence_ = std::max(last_sequence_, sequence);
          ++sequence;
        });
    if (whole) return Ok{};
    return Error{Errc::log_corrupt,
                 "in the decision log " + path_in(directory_, name) + " at byte " + std::to_string(offset) +
                     ", a batch matches its checksum and holds what this program never writes, so it is not rotten, "
                     "and was left unchanged; look for the program that wrote it and start that one"};
  }

  /// `again`: a record of this number was met before, as when one file is an old copy of itself.
  void apply(ports::LogRecord&& record, bool again, const std::string& name, std::uint64_t offset) {
    if (const auto* epoch = std::get_if<ports::EpochStarted>(&record)) {
      see_epoch(epoch->coordinator, epoch->epoch);
      if (!again) out_.state.apply(std::move(record));
      return;
    }
    // What an operator had done says nothing of what was decided.
    if (is_any<ports::OperatorAct>(record)) return;
    const std::string gtrid = gtrid_of(record);
    if (const auto parts = protocol::parse_gtrid(gtrid)) see_epoch(parts->coordinator, parts->epoch);
    const bool is_live = out_.state.state().live.contains(gtrid);
    if (is_any<ports::CommitDecision>(record)) {
      // One that has ended stays so.
      if (is_live || over_.contains(gtrid)) return;
      out_.decided_and_unknown.erase(gtrid);
      origins_[gtrid] = {name, offset, behind_damage_};
    } else if (is_any<ports::TransactionEnded, ports::TransactionRolledBack>(record)) {
      over_.insert(gtrid);
      out_.decided_and_unknown.erase(gtrid);
    } else if (again) {
      return;
    } else if (is_any<ports::KeyRolledBack>(record)) {
      // Nothing of it was decided.
    } else if (is_any<ports::HazardFound, ports::HazardAcknowledged>(record)) {
      // Of one that is not live it may be of a rollback that somebody contradicted: it stays an open hazard.
    } else if (!is_live && !over_.contains(gtrid)) {
      out_.decided_and_unknown.insert(gtrid);
    }
    out_.state.apply(std::move(record));
  }

  void see_epoch(const std::string& coordinator, std::uint32_t epoch) {
    if (coordinator_.empty()) coordinator_ = coordinator;
    epoch_ = std::max(epoch_, epoch);
  }

  Status set_epochs() {
    const auto& read = out_.state.state();
    const auto highest = std::max(epoch_, read.epoch);
    if (highest > std::numeric_limits<std::uint32_t>::max() - 2 * kEpochsPassed) {
      return Error{Errc::log_corrupt, "the decision log in " + directory_ + " is of epoch " + std::to_string(highest) +
                                          ", which leaves none to go on with; nothing was changed"};
    }
    const auto epoch = highest + kEpochsPassed;
    out_.state.start(log_id_);
    out_.state.restore(read.coordinator.empty() ? coordinator_ : std::string(read.coordinator), epoch, epoch + 1);
    out_.state.reached(std::max(last_sequence_, durable_through_));
    return Ok{};
  }

  void tell_kept() {
    for (const auto& [gtrid, live] : out_.state.state().live) {
      const auto found = origins_.find(gtrid);
      const auto origin = found != origins_.end() ? found->second : Origin{std::string(kCheckpointName), 0, false};
      out_.kept.push_back({live, origin.file, origin.offset, origin.behind_damage});
    }
  }

  struct Origin {
    std::string file;
    std::uint64_t offset = 0;
    bool behind_damage = false;
  };

  Disk& disk_;
  const std::string& directory_;
  Salvage out_;
  std::vector<std::uint64_t> numbers_;
  std::uint64_t log_id_ = 0;
  std::uint64_t next_number_ = 1;
  std::uint64_t covered_through_ = 0;
  std::uint64_t last_sequence_ = 0;
  std::uint64_t durable_through_ = 0;
  static constexpr std::uint64_t kNoDoubt = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t doubt_since_ = kNoDoubt;  ///< The last record in front of what was lost last.
  bool sealed_ = false;                   ///< The last block says that the log goes on in the next segment.
  bool any_block_ = false;
  bool behind_damage_ = false;
  std::pair<std::string, std::uint64_t> place_{std::string(kCheckpointName), 0};  ///< Up to which all was read.
  std::string coordinator_;
  std::uint32_t epoch_ = 0;
  std::map<std::string, Origin> origins_;
  std::set<std::string> over_;
};

}  // namespace

Result<Salvage> salvage(Disk& disk, const std::string& directory) {
  return Salvager(disk, directory).run();
}

}  // namespace assent::wal

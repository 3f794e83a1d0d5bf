#include "wal/reader.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.hpp"
#include "wal/codec.hpp"
#include "wal/files.hpp"
#include "wal/format.hpp"

namespace assent::wal {
namespace {

/// From `from` on, the first and one past the last byte that is not zero.
struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  bool empty() const { return begin == end; }
};

/// Whole sectors at once: most of what is looked at is the zeroes of segments that are still to be filled.
Extent find_nonzero(std::string_view bytes, std::uint64_t from) {
  static constexpr char kZeroes[kSectorBytes] = {};
  while (from + kSectorBytes <= bytes.size() && std::memcmp(bytes.data() + from, kZeroes, kSectorBytes) == 0) {
    from += kSectorBytes;
  }
  const auto first = bytes.find_first_not_of('\0', from);
  if (first == std::string_view::npos) return {};
  auto end = bytes.size();
  while (end - first > kSectorBytes && std::memcmp(bytes.data() + end - kSectorBytes, kZeroes, kSectorBytes) == 0) {
    end -= kSectorBytes;
  }
  return {first, bytes.find_last_not_of('\0', end - 1) + 1};
}

template <typename T>
Status as_status(const Result<T>& result) {
  return result ? Status(Ok{}) : Status(result.error());
}

Error unlistable(const std::string& directory, Errno number) {
  Error error = io_error("read the log's directory", directory, number);
  if (number == ENOENT) error.code = Errc::not_found;
  if (number == ENOTDIR) error.code = Errc::invalid_argument;
  return error;
}

Error newer(const std::string& directory, const std::string& name, const Error& error) {
  return {Errc::log_newer_format, path_in(directory, name) + " was left unchanged: " + error.what +
                                      "; start the program that wrote it, or a newer one"};
}

class Scanner {
 public:
  Scanner(Disk& disk, std::string directory, std::uint32_t kept_keys_max, const RecordVisitor& visit)
      : disk_(disk), directory_(std::move(directory)), visit_(visit), scan_(kept_keys_max) {}

  Result<Scan> run() {
    if (auto listed = list(); !listed) return std::move(listed).error();
    if (auto read = has_checkpoint_ ? read_checkpoint() : judge_without_checkpoint(); !read) {
      return std::move(read).error();
    }
    if (scan_.presence != Scan::Presence::present) return std::move(scan_);
    if (auto read = read_segments(); !read) return std::move(read).error();
    return std::move(scan_);
  }

 private:
  /// What a segment holds besides its batches.
  struct Walked {
    bool sealed = false;
    bool anything = false;  ///< A valid block.
    std::uint64_t end = kBlocksOffset;
    Extent garbage;
  };
  /// A segment with bytes that are not zero and do not parse.
  struct Garbage {
    std::uint64_t segment;
    std::uint64_t end_of_blocks;
    Extent extent;
  };

  Status list() {
    std::vector<std::string> names;
    if (const Errno failed = disk_.list(directory_, names)) return unlistable(directory_, failed);
    for (auto& name : names) {
      if (name == kCheckpointName) has_checkpoint_ = true;
      if (const auto number = parse_segment_name(name)) numbers_.push_back(*number);
      if (is_aside_name(name)) scan_.leftovers.push_back(std::move(name));
    }
    std::sort(numbers_.begin(), numbers_.end());
    return Ok{};
  }

  void damage(std::string file, std::uint64_t offset, std::string what) {
    damage(
        std::move(file), offset, std::move(what),
        "what it said there may have been a decision to commit: restore the directory from a copy that is as new, or "
        "see with `" +
            ctl_command("wal repair", directory_) + "` what is left and what is lost, and give that up with `" +
            ctl_command("wal repair", directory_) + " --force-lose`");
  }
  void damage(std::string file, std::uint64_t offset, std::string what, std::string remedy) {
    scan_.tail = Tail::corrupt;
    scan_.findings.push_back({Finding::Grade::damage, std::move(file), offset, std::move(what), std::move(remedy)});
  }
  void note(std::string file, std::uint64_t offset, std::string what) {
    scan_.findings.push_back({Finding::Grade::note, std::move(file), offset, std::move(what), "nothing is lost by it"});
  }
  bool damaged() const { return scan_.tail == Tail::corrupt; }

  Status read_checkpoint() {
    scan_.presence = Scan::Presence::present;
    const std::string name(kCheckpointName);
    std::string bytes;
    if (const Errno failed = read_file(disk_, path_in(directory_, name), kCheckpointBytesMax, bytes)) {
      return io_error("read", path_in(directory_, name), failed);
    }
    auto head = decode_checkpoint(bytes, scan_.state);
    if (!head && head.error().code == Errc::log_newer_format) return newer(directory_, name, head.error());
    if (!head) return damage(name, 0, head.error().what), Ok{};
    scan_.checkpoint = *head;
    scan_.files.push_back({name, bytes.size(), bytes.size(), 0, 0, 0});
    scan_.next_sequence = head->first_sequence;
    scan_.durable_through = head->covers_through;
    return Ok{};
  }

  /// The checkpoint is the last file that creation makes, so without it nothing was ever logged, or it was lost.
  Status judge_without_checkpoint() {
    if (numbers_.empty()) return Ok{};
    scan_.presence = Scan::Presence::unfinished;
    for (const auto number : numbers_) {
      const std::string name = segment_name(number);
      std::string bytes;
      if (auto read = read_segment(number, bytes); !read) return read;
      const bool never_used = !damaged() && number <= 2 && find_nonzero(bytes, kBlocksOffset).empty();
      if (never_used) continue;
      scan_.presence = Scan::Presence::present;
      if (!damaged()) {
        damage(std::string(kCheckpointName), 0, "it is missing, although " + name + " has been used");
      }
      return Ok{};
    }
    return Ok{};
  }

  /// Reads and checks a segment whole. Damage becomes a finding, and `bytes` is then of no use.
  Status read_segment(std::uint64_t number, std::string& bytes) {
    const std::string name = segment_name(number);
    const Errno failed = read_file(disk_, path_in(directory_, name), kSegmentBytesMax, bytes);
    if (failed == EFBIG) return damage(name, 0, "it is larger than any segment"), Ok{};
    if (failed != 0) return io_error("read", path_in(directory_, name), failed);
    auto header = decode_segment_header(bytes);
    if (!header && header.error().code == Errc::log_newer_format) return newer(directory_, name, header.error());
    if (!header) return damage(name, 0, header.error().what), Ok{};
    if (header->number != number) {
      damage(name, 0, "it is segment " + std::to_string(header->number) + " under another name");
    } else if (has_checkpoint_ && header->log_id != scan_.checkpoint.log_id) {
      damage(name, 0, "it belongs to another log than the checkpoint");
    } else if (header->bytes != bytes.size()) {
      damage(name, bytes.size(),
             "it has " + std::to_string(bytes.size()) + " bytes and was made with " + std::to_string(header->bytes));
    }
    return Ok{};
  }

  Status read_segments() {
    if (damaged()) return check_versions(disk_, directory_);
    const auto first = scan_.checkpoint.first_segment;
    while (!numbers_.empty() && numbers_.front() < first) {
      scan_.leftovers.push_back(segment_name(numbers_.front()));
      numbers_.erase(numbers_.begin());
    }
    std::uint64_t expected_number = first;
    for (const auto number : numbers_) {
      if (number != expected_number && !damaged()) missing(expected_number);
      expected_number = number + 1;
      if (auto read = take_segment(number); !read) return read;
    }
    if (!damaged() && (numbers_.empty() || sealed_)) missing(expected_number);
    if (!damaged()) judge_end();
    return Ok{};
  }

  void missing(std::uint64_t number) { damage(segment_name(number), 0, "it is missing, and the log goes on in it"); }

  Status take_segment(std::uint64_t number) {
    std::string& bytes = segment_bytes_;
    const bool was_damaged = damaged();
    const std::size_t findings_before = scan_.findings.size();
    if (auto read = read_segment(number, bytes); !read) return read;
    if (scan_.findings.size() != findings_before) return Ok{};
    FileSummary summary{segment_name(number), bytes.size(), 0, 0, 0, 0};
    const std::uint64_t first_sequence = scan_.next_sequence;
    if (was_damaged) {
      salvage(bytes, number, kBlocksOffset);
      scan_.files.push_back(std::move(summary));
      return Ok{};
    }
    const Walked walked = walk(bytes, number, summary);
    scan_.files.push_back(std::move(summary));
    if (!damaged()) place_end(number, bytes.size(), first_sequence, walked);
    return Ok{};
  }

  /// Follows the blocks of one segment for as long as each is whole and takes up where the one before it stopped.
  Walked walk(const std::string& bytes, std::uint64_t number, FileSummary& summary) {
    Walked walked;
    const std::string name = segment_name(number);
    std::uint64_t offset = kBlocksOffset;
    bool at_end = false;
    while (!at_end) {
      const auto block = parse_block(bytes, offset, scan_.checkpoint.log_id, number);
      if (!block) break;
      if (!continues(*block)) {
        damage(name, offset,
               "a block that follows record " + std::to_string(block->first_sequence - 1) +
                   " stands where the log has reached record " + std::to_string(scan_.next_sequence - 1));
        salvage(bytes, number, offset);
        return walked;
      }
      walked.anything = true;
      scan_.durable_through = std::max(scan_.durable_through, block->durable_through);
      at_end = block->kind != BlockKind::batch;
      walked.sealed = block->kind == BlockKind::seal;
      if (!at_end) {
        if (!apply(*block, bytes, offset, summary)) return walked;
        walked.end = offset + block->bytes_on_disk();
      }
      offset += block->bytes_on_disk();
    }
    summary.used_bytes = walked.end;
    walked.garbage = find_nonzero(bytes, offset);
    if (!walked.garbage.empty()) look_behind(bytes, number, offset);
    return walked;
  }

  bool continues(const Block& block) const {
    return block.first_sequence == scan_.next_sequence && block.durable_through < scan_.next_sequence;
  }

  bool apply(const Block& block, const std::string& bytes, std::uint64_t offset, FileSummary& summary) {
    std::uint64_t sequence = block.first_sequence;
    const std::string name = segment_name(block.segment);
    const bool whole =
        block.records > 0 &&
        decode_records(payload_of(block, bytes, offset), block.version, block.records, [&](ports::LogRecord&& record) {
          const bool applies = sequence > scan_.checkpoint.covers_through;
          if (applies && visit_) scan_.state.apply(record);
          if (visit_) {
            visit_({sequence, name, offset, false, std::move(record)});
          } else if (applies) {
            scan_.state.apply(std::move(record));
          }
          ++sequence;
        });
    if (!whole) {
      damage(name, offset, "a batch matches its checksum and holds what this program never writes",
             "look for the program that wrote it and start that one; this one neither reads nor repairs it");
      return false;
    }
    if (summary.records == 0) summary.first_sequence = block.first_sequence;
    ++summary.batches;
    summary.records += block.records;
    scan_.next_sequence = sequence;
    scan_.last_batch = Place{block.segment, offset};
    scan_.last_batch_bytes = block.bytes_on_disk();
    return true;
  }

  /// Something at `offset` does not parse. Whatever is whole behind it was written after it had been synced.
  void look_behind(const std::string& bytes, std::uint64_t number, std::uint64_t offset) {
    for (auto at = offset; at + kBlockHeaderBytes <= bytes.size(); at += kSectorBytes) {
      const auto block = parse_block(bytes, at, scan_.checkpoint.log_id, number);
      if (!block) continue;
      damage(segment_name(number), offset,
             "the log stops making sense after record " + std::to_string(scan_.next_sequence - 1) + ", and at byte " +
                 std::to_string(at) + " says that it was durable up to record " +
                 std::to_string(block->durable_through));
      salvage(bytes, number, at);
      return;
    }
  }

  /// Shows whole batches behind damage to whoever looks, and to nobody else.
  void salvage(const std::string& bytes, std::uint64_t number, std::uint64_t from) {
    if (!visit_) return;
    for (auto at = from; at + kBlockHeaderBytes <= bytes.size();) {
      const auto block = parse_block(bytes, at, scan_.checkpoint.log_id, number);
      if (block) {
        std::uint64_t sequence = block->first_sequence;
        decode_records(payload_of(*block, bytes, at), block->version, block->records, [&](ports::LogRecord&& record) {
          visit_({sequence++, segment_name(number), at, true, std::move(record)});
        });
      }
      at += block ? block->bytes_on_disk() : kSectorBytes;
    }
  }

  /// After a segment without damage: is the end of the log in it?
  void place_end(std::uint64_t number, std::uint64_t bytes, std::uint64_t first_sequence, const Walked& walked) {
    const bool goes_on_here = number == scan_.checkpoint.first_segment || sealed_ || walked.anything;
    if (!goes_on_here) {
      if (!walked.garbage.empty()) garbage_.push_back({number, kBlocksOffset, walked.garbage});
      scan_.reserves.push_back({number, bytes});
      return;
    }
    if (walked.anything) pass_over(number);
    if (!walked.garbage.empty()) garbage_.push_back({number, walked.end, walked.garbage});
    scan_.end = {number, walked.end};
    scan_.end_segment_bytes = bytes;
    scan_.end_first_sequence = first_sequence;
    sealed_ = walked.sealed;
  }

  /// The log goes on in `number` with the very next record, which proves that nothing stood in what an earlier segment
  /// has behind its last batch, whatever became of it.
  void pass_over(std::uint64_t number) {
    for (const auto& passed : garbage_) {
      note(segment_name(passed.segment), passed.extent.begin,
           "unreadable bytes behind the last batch; the log goes on without a gap in " + segment_name(number));
    }
    garbage_.clear();
    if (!sealed_ && number != scan_.checkpoint.first_segment) {
      note(segment_name(scan_.end.segment), scan_.end.offset,
           "the seal is missing; the log goes on without a gap in " + segment_name(number));
    }
    scan_.reserves.clear();
  }

  void judge_end() {
    if (scan_.next_sequence <= scan_.durable_through) {
      damage(segment_name(scan_.end.segment), scan_.end.offset,
             "the log ends after record " + std::to_string(scan_.next_sequence - 1) +
                 ", and says that it was durable up to record " + std::to_string(scan_.durable_through));
      return;
    }
    if (garbage_.size() > 1) {
      damage(segment_name(garbage_.back().segment), garbage_.back().extent.begin,
             "unreadable bytes here and in " + segment_name(garbage_.front().segment) +
                 "; a write that was cut off leaves only one such place");
      return;
    }
    if (garbage_.empty()) return;
    const Garbage& torn = garbage_.front();
    scan_.tail = Tail::torn;
    scan_.cut = Place{torn.segment, torn.end_of_blocks};
    scan_.cut_end = torn.extent.end;
    scan_.findings.push_back({Finding::Grade::torn, segment_name(torn.segment), torn.end_of_blocks,
                              "the last write was cut off, up to byte " + std::to_string(torn.extent.end) +
                                  "; it was never acknowledged, and the log is whole up to record " +
                                  std::to_string(scan_.next_sequence - 1),
                              "starting the coordinator cuts it, after a copy, and so does `" +
                                  ctl_command("wal repair", directory_) + "`"});
  }

  Disk& disk_;
  const std::string directory_;
  const RecordVisitor& visit_;
  Scan scan_;
  std::vector<std::uint64_t> numbers_;
  std::string segment_bytes_;  ///< Of the segment that is being read; its memory serves the next one as well.
  bool has_checkpoint_ = false;
  bool sealed_ = false;  ///< The segment that holds the end so far says that the log goes on in the next one.
  std::vector<Garbage> garbage_;
};

}  // namespace

std::string Finding::text() const {
  return file + " at byte " + std::to_string(offset) + ": " + what + "; " + remedy;
}

const Finding& Scan::damage() const {
  const auto found = std::find_if(findings.begin(), findings.end(),
                                  [](const Finding& finding) { return finding.grade == Finding::Grade::damage; });
  ASSENT_CHECK(found != findings.end());
  return *found;
}

Status check_versions(Disk& disk, const std::string& directory) {
  std::vector<std::string> names;
  if (const Errno failed = disk.list(directory, names)) return unlistable(directory, failed);
  for (const auto& name : names) {
    const bool is_segment = parse_segment_name(name).has_value();
    if (!is_segment && name != kCheckpointName) continue;
    std::unique_ptr<File> file;
    std::string bytes;
    if (disk.open(path_in(directory, name), OpenMode::read, file) != 0) continue;
    if (file->read_at(0, kSectorBytes, bytes) != 0) continue;
    StateBuilder ignored(0);
    const Status judged =
        is_segment ? as_status(decode_segment_header(bytes)) : as_status(decode_checkpoint(bytes, ignored));
    if (!judged && judged.error().code == Errc::log_newer_format) return newer(directory, name, judged.error());
  }
  return Ok{};
}

Result<Scan> scan(Disk& disk, const std::string& directory, std::uint32_t kept_keys_max, const RecordVisitor& visit) {
  return Scanner(disk, directory, kept_keys_max, visit).run();
}

Result<Scan> scan_whole(Disk& disk, const std::string& directory, std::uint32_t kept_keys_max) {
  auto scanned = scan(disk, directory, kept_keys_max);
  if (!scanned) return scanned;
  if (scanned->tail == Tail::corrupt) return damaged(directory, *scanned);
  if (scanned->presence != Scan::Presence::present) return no_log(directory);
  return scanned;
}

Error damaged(const std::string& directory, const Scan& scan) {
  const Finding& found = scan.damage();
  return {Errc::log_corrupt, "the decision log is damaged, " + path_in(directory, found.file) + " at byte " +
                                 std::to_string(found.offset) + ": " + found.what + "; nothing was changed; " +
                                 found.remedy};
}

Error no_log(const std::string& directory) {
  return {Errc::not_found, "there is no decision log in " + directory};
}

}  // namespace assent::wal

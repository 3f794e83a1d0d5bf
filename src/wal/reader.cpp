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
  if (from >= bytes.size()) return {};
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
    bool anything = false;             ///< A valid block.
    std::uint64_t first_sequence = 0;  ///< Of the first record in it; of the next one to come where it has none.
    std::uint64_t end = 0;
    Extent garbage;
  };
  /// What was read of a segment.
  struct Segment {
    bool usable = false;  ///< Its header is good, so there is something to follow. Otherwise that was found as damage.
    std::uint32_t version = kFormatVersion;
    std::string bytes;
    std::uint64_t unit() const { return block_unit(version); }
    std::uint64_t begin() const { return unit(); }  ///< The header takes the place of one.
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
      if (is_torn_copy_name(name)) scan_.torn_copies.push_back(name);
      if (is_aside_name(name)) scan_.leftovers.push_back(std::move(name));
    }
    std::sort(scan_.torn_copies.begin(), scan_.torn_copies.end());
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
    std::vector<UnreadableBytes> unreadable;
    const Errno failed = read_file_around(disk_, directory_, name, kCheckpointBytesMax, bytes, unreadable);
    if (failed == kNoRegularFile) return not_regular(name), Ok{};
    if (failed == EFBIG) return damage(name, 0, "it is larger than any checkpoint"), Ok{};
    if (failed != 0) return io_error("read", path_in(directory_, name), failed);
    if (cannot_be_read(unreadable)) return Ok{};
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
    // Creation makes 1, then 2. Without 1 it is a log that has gone on to the next, and has no batch there yet.
    if (numbers_.front() > 1) {
      scan_.presence = Scan::Presence::present;
      damage(std::string(kCheckpointName), 0, "it is missing, although the log has gone beyond " + segment_name(1));
      return Ok{};
    }
    scan_.presence = Scan::Presence::unfinished;
    for (const auto number : numbers_) {
      const std::string name = segment_name(number);
      Segment segment;
      if (auto read = read_segment(number, segment); !read) return read;
      const bool never_used = !damaged() && number <= 2 && find_nonzero(segment.bytes, segment.begin()).empty();
      if (never_used) continue;
      scan_.presence = Scan::Presence::present;
      if (!damaged()) {
        damage(std::string(kCheckpointName), 0, "it is missing, although " + name + " has been used");
      }
      return Ok{};
    }
    return Ok{};
  }

  void not_regular(const std::string& name) {
    damage(name, 0, "it is no regular file",
           "the log's file of this name is elsewhere or lost: move this away and put the file back, or see with `" +
               ctl_command("wal repair", directory_) + "` what is left");
  }

  /// Whether there is such a place.
  bool cannot_be_read(const std::vector<UnreadableBytes>& unreadable) {
    for (const auto& one : unreadable) {
      damage(one.file, one.begin,
             "the device gives an error for bytes " + std::to_string(one.begin) + " to " + std::to_string(one.end));
    }
    return !unreadable.empty();
  }

  /// Reads and checks a segment whole. Damage becomes a finding.
  Status read_segment(std::uint64_t number, Segment& out) {
    const std::string name = segment_name(number);
    out.usable = false;
    std::vector<UnreadableBytes> unreadable;
    const Errno failed = read_file_around(disk_, directory_, name, kSegmentBytesMax, out.bytes, unreadable);
    if (failed == kNoRegularFile) return not_regular(name), Ok{};
    if (failed == EFBIG) return damage(name, 0, "it is larger than any segment"), Ok{};
    if (failed != 0) return io_error("read", path_in(directory_, name), failed);
    const bool unread = cannot_be_read(unreadable);
    auto header = decode_segment_header(out.bytes);
    if (!header && header.error().code == Errc::log_newer_format) return newer(directory_, name, header.error());
    if (!header) {
      if (!unread) damage(name, 0, header.error().what);
      return Ok{};
    }
    out.version = header->version;
    if (header->number != number) {
      damage(name, 0, "it is segment " + std::to_string(header->number) + " under another name");
    } else if (has_checkpoint_ && header->log_id != scan_.checkpoint.log_id) {
      damage(name, 0, "it belongs to another log than the checkpoint");
    } else if (header->bytes != out.bytes.size()) {
      damage(
          name, out.bytes.size(),
          "it has " + std::to_string(out.bytes.size()) + " bytes and was made with " + std::to_string(header->bytes));
    } else {
      out.usable = true;
    }
    return Ok{};
  }

  /// With the checkpoint unreadable: what whole batches there are, for whoever looks.
  Status show_segments() {
    if (auto known = check_versions(disk_, directory_); !known) return known;
    if (!visit_) return Ok{};
    for (const auto number : numbers_) {
      std::vector<UnreadableBytes> unreadable;
      const auto name = segment_name(number);
      std::string& bytes = segment_.bytes;
      if (read_file_around(disk_, directory_, name, kSegmentBytesMax, bytes, unreadable) != 0) continue;
      const auto header = decode_segment_header(bytes);
      if (!header) continue;
      scan_.checkpoint.log_id = header->log_id;
      salvage(bytes, number, block_unit(header->version), block_unit(header->version));
    }
    return Ok{};
  }

  Status read_segments() {
    if (damaged()) return show_segments();
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
    const bool was_damaged = damaged();
    if (auto read = read_segment(number, segment_); !read) return read;
    if (!segment_.usable) return Ok{};
    FileSummary summary{segment_name(number), segment_.bytes.size(), 0, 0, 0, 0};
    if (was_damaged) {
      salvage(segment_.bytes, number, segment_.begin(), segment_.unit());
      scan_.files.push_back(std::move(summary));
      return Ok{};
    }
    const Walked walked = walk(segment_, number, summary);
    scan_.files.push_back(std::move(summary));
    if (!damaged()) place_end(number, walked);
    return Ok{};
  }

  /// Follows the blocks of one segment for as long as each takes up where the one before it stopped.
  Walked walk(const Segment& segment, std::uint64_t number, FileSummary& summary) {
    Walked walked;
    const auto& bytes = segment.bytes;
    BlockSearch search(bytes, scan_.checkpoint.log_id, number, segment.unit());
    std::uint64_t offset = walked.end = segment.begin();
    walked.first_sequence = scan_.next_sequence;
    for (bool at_end = false;;) {
      const auto found = search.next(offset);
      if (!found) break;
      const auto& block = found->block;
      const bool again = repeats(block, bytes, found->offset);
      if (!goes_on(*found, offset, again, segment, at_end)) {
        stops(*found, offset, number);
        salvage(bytes, number, found->offset, segment.unit());
        return walked;
      }
      // The segment may begin with the last batch of the one before it, repeated.
      if (!walked.anything) walked.first_sequence = block.first_sequence;
      if (found->offset != offset) pass_over_gap(number, offset, found->offset);
      walked.anything = true;
      scan_.durable_through = std::max(scan_.durable_through, block.durable_through);
      offset = found->offset + block.bytes_on_disk();
      walked.end = block.kind == BlockKind::batch ? offset : found->offset;
      walked.sealed = block.kind == BlockKind::seal;
      note_seal(*found, number);
      if (block.kind == BlockKind::batch && !again && !apply(block, bytes, found->offset, summary)) return walked;
      // The next batch overwrites a mark, unless that stands behind a torn end. In older formats nothing does.
      at_end = walked.sealed || (block.kind == BlockKind::mark && segment.version < 3);
    }
    if (search.exhausted()) {
      damage(segment_name(number), offset, "more places look like blocks than a log of this size can have");
      return walked;
    }
    summary.used_bytes = walked.end;
    walked.garbage = find_nonzero(bytes, offset);
    return walked;
  }

  bool continues(const Block& block) const {
    return block.first_sequence == scan_.next_sequence && block.durable_through < scan_.next_sequence;
  }

  /// A start writes the last batch once more, when nothing proves that it was synced; its own bytes are not touched.
  /// Where it then goes on in the next segment, the seal before it is of the same sequence.
  bool repeats(const Block& block, const std::string& bytes, std::uint64_t offset) const {
    if (block.version < 3 || !scan_.last_batch || block.first_sequence != scan_.last_batch_first_sequence) return false;
    if (block.kind == BlockKind::seal) return true;
    return block.kind == BlockKind::batch && block.records == scan_.last_batch_records &&
           payload_of(block, bytes, offset) == scan_.last_batch_payload;
  }

  /// What stands between two blocks held no record if the second goes on with the very next one. Only this format has
  /// such places: earlier ones overwrote a torn end.
  bool goes_on(const BlockSearch::Found& found, std::uint64_t expected, bool again, const Segment& segment,
               bool at_end) const {
    if (at_end || (!continues(found.block) && !again)) return false;
    return found.offset == expected || segment.version >= 3;
  }

  void stops(const BlockSearch::Found& found, std::uint64_t offset, std::uint64_t number) {
    const auto reached = std::to_string(scan_.next_sequence - 1);
    if (found.offset == offset) {
      damage(segment_name(number), offset,
             "a block that follows record " + std::to_string(found.block.first_sequence - 1) +
                 " stands where the log has reached record " + reached);
      return;
    }
    damage(segment_name(number), offset,
           "the log stops making sense after record " + reached + ", and at byte " + std::to_string(found.offset) +
               " says that it was durable up to record " + std::to_string(found.block.durable_through));
  }

  void note_seal(const BlockSearch::Found& found, std::uint64_t number) {
    scan_.open_seal.reset();
    if (found.block.kind != BlockKind::seal) return;
    scan_.open_seal = Place{number, found.offset};
    scan_.open_seal_first_sequence = found.block.first_sequence;
    scan_.open_seal_durable_through = found.block.durable_through;
  }

  void pass_over_gap(std::uint64_t number, std::uint64_t from, std::uint64_t to) {
    note(segment_name(number), from,
         "a write that was cut off by a crash, up to byte " + std::to_string(to) +
             "; it was never acknowledged, and the log goes on behind it without a gap");
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
    scan_.last_batch_first_sequence = block.first_sequence;
    scan_.last_batch_records = block.records;
    scan_.last_batch_payload = payload_of(block, bytes, offset);
    return true;
  }

  /// Shows whole batches behind damage to whoever looks, and to nobody else.
  void salvage(const std::string& bytes, std::uint64_t number, std::uint64_t from, std::uint64_t unit) {
    if (!visit_) return;
    BlockSearch search(bytes, scan_.checkpoint.log_id, number, unit);
    while (const auto found = search.next(from)) {
      const auto& block = found->block;
      std::uint64_t sequence = block.first_sequence;
      decode_records(payload_of(block, bytes, found->offset), block.version, block.records,
                     [&](ports::LogRecord&& record) {
                       visit_({sequence++, segment_name(number), found->offset, true, std::move(record)});
                     });
      from = found->offset + block.bytes_on_disk();
    }
  }

  /// After a segment without damage: is the end of the log in it?
  void place_end(std::uint64_t number, const Walked& walked) {
    const auto bytes = segment_.bytes.size();
    const bool goes_on_here = number == scan_.checkpoint.first_segment || sealed_ || walked.anything;
    if (!goes_on_here) {
      if (!walked.garbage.empty()) garbage_.push_back({number, segment_.begin(), walked.garbage});
      scan_.reserves.push_back({number, bytes, segment_.version, walked.garbage.empty()});
      return;
    }
    if (walked.anything) pass_over(number);
    if (!walked.garbage.empty()) garbage_.push_back({number, walked.end, walked.garbage});
    scan_.end = {number, walked.end};
    scan_.end_segment_bytes = bytes;
    scan_.end_version = segment_.version;
    scan_.end_first_sequence = walked.first_sequence;
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
    scan_.torn = Place{torn.segment, torn.end_of_blocks};
    scan_.torn_end = torn.extent.end;
    scan_.findings.push_back(
        {Finding::Grade::torn, segment_name(torn.segment), torn.end_of_blocks,
         "the last write was cut off, up to byte " + std::to_string(torn.extent.end) +
             "; it was never acknowledged, and the log is whole up to record " +
             std::to_string(scan_.next_sequence - 1),
         "starting the coordinator goes on behind it, and so does `" + ctl_command("wal repair", directory_) + "`"});
  }

  Disk& disk_;
  const std::string directory_;
  const RecordVisitor& visit_;
  Scan scan_;
  std::vector<std::uint64_t> numbers_;
  Segment segment_;  ///< The one that is being read; its memory serves the next one as well.
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
    if (file->read_at(0, kSegmentHeaderBytes, bytes) != 0) continue;
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

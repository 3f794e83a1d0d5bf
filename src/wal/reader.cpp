#include "wal/reader.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.hpp"
#include "wal/codec.hpp"
#include "wal/files.hpp"
#include "wal/format.hpp"
#include "wal/log_files.hpp"

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

class Scanner {
 public:
  Scanner(Disk& disk, std::string directory, std::uint32_t kept_keys_max, const RecordVisitor& visit)
      : visit_(visit), scan_(kept_keys_max), files_(disk, std::move(directory), scan_) {}

  Result<Scan> run() {
    if (auto listed = files_.list(); !listed) return std::move(listed).error();
    if (auto read = files_.has_checkpoint() ? files_.read_checkpoint() : judge_without_checkpoint(); !read) {
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
  /// A segment with bytes that are not zero and do not parse.
  struct Garbage {
    std::uint64_t segment;
    std::uint64_t end_of_blocks;
    Extent extent;
  };

  /// The checkpoint is the last file that creation makes, so without it nothing was ever logged, or it was lost.
  Status judge_without_checkpoint() {
    const auto& numbers = files_.segments();
    if (numbers.empty()) return Ok{};
    // Creation makes 1, then 2. Without 1 it is a log that has gone on to the next, and has no batch there yet.
    if (numbers.front() > 1) {
      scan_.presence = Scan::Presence::present;
      files_.damage(std::string(kCheckpointName), 0,
                    "it is missing, although the log has gone beyond " + segment_name(1));
      return Ok{};
    }
    scan_.presence = Scan::Presence::unfinished;
    for (const auto number : numbers) {
      const std::string name = segment_name(number);
      SegmentBytes segment;
      if (auto read = files_.read_segment(number, segment); !read) return read;
      const bool never_used = !files_.damaged() && number <= 2 && find_nonzero(segment.bytes, segment.begin()).empty();
      if (never_used) continue;
      scan_.presence = Scan::Presence::present;
      if (!files_.damaged()) {
        files_.damage(std::string(kCheckpointName), 0, "it is missing, although " + name + " has been used");
      }
      return Ok{};
    }
    return Ok{};
  }

  /// With the checkpoint unreadable: what whole batches there are, for whoever looks.
  Status show_segments() {
    if (auto known = check_versions(files_.disk(), files_.directory()); !known) return known;
    if (!visit_) return Ok{};
    for (const auto number : files_.segments()) {
      std::vector<UnreadableBytes> unreadable;
      const auto name = segment_name(number);
      std::string& bytes = segment_.bytes;
      if (read_file_around(files_.disk(), files_.directory(), name, kSegmentBytesMax, bytes, unreadable) != 0) continue;
      const auto header = decode_segment_header(bytes);
      if (!header) continue;
      scan_.checkpoint.log_id = header->log_id;
      salvage(bytes, number, block_unit(header->version), block_unit(header->version));
    }
    return Ok{};
  }

  Status read_segments() {
    if (files_.damaged()) return show_segments();
    const auto first = scan_.checkpoint.first_segment;
    files_.leave_segments_before(first);
    std::uint64_t expected_number = first;
    for (const auto number : files_.segments()) {
      if (number != expected_number && !files_.damaged()) missing(expected_number);
      expected_number = number + 1;
      if (auto read = take_segment(number); !read) return read;
    }
    if (!files_.damaged() && (files_.segments().empty() || sealed_)) missing(expected_number);
    if (!files_.damaged()) judge_end();
    return Ok{};
  }

  void missing(std::uint64_t number) {
    files_.damage(segment_name(number), 0, "it is missing, and the log goes on in it");
  }

  Status take_segment(std::uint64_t number) {
    const bool was_damaged = files_.damaged();
    if (auto read = files_.read_segment(number, segment_); !read) return read;
    if (!segment_.usable) return Ok{};
    FileSummary summary{segment_name(number), segment_.bytes.size(), 0, 0, 0, 0};
    if (was_damaged) {
      salvage(segment_.bytes, number, segment_.begin(), segment_.unit());
      scan_.files.push_back(std::move(summary));
      return Ok{};
    }
    const Walked walked = walk(segment_, number, summary);
    scan_.files.push_back(std::move(summary));
    if (!files_.damaged()) place_end(number, walked);
    return Ok{};
  }

  /// Follows the blocks of one segment for as long as each takes up where the one before it stopped.
  Walked walk(const SegmentBytes& segment, std::uint64_t number, FileSummary& summary) {
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
      files_.damage(segment_name(number), offset, "more places look like blocks than a log of this size can have");
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
  bool goes_on(const BlockSearch::Found& found, std::uint64_t expected, bool again, const SegmentBytes& segment,
               bool at_end) const {
    if (at_end || (!continues(found.block) && !again)) return false;
    return found.offset == expected || segment.version >= 3;
  }

  void stops(const BlockSearch::Found& found, std::uint64_t offset, std::uint64_t number) {
    const auto reached = std::to_string(scan_.next_sequence - 1);
    if (found.offset == offset) {
      files_.damage(segment_name(number), offset,
                    "a block that follows record " + std::to_string(found.block.first_sequence - 1) +
                        " stands where the log has reached record " + reached);
      return;
    }
    files_.damage(segment_name(number), offset,
                  "the log stops making sense after record " + reached + ", and at byte " +
                      std::to_string(found.offset) + " says that it was durable up to record " +
                      std::to_string(found.block.durable_through));
  }

  void note_seal(const BlockSearch::Found& found, std::uint64_t number) {
    scan_.open_seal.reset();
    if (found.block.kind != BlockKind::seal) return;
    scan_.open_seal = Place{number, found.offset};
    scan_.open_seal_first_sequence = found.block.first_sequence;
    scan_.open_seal_durable_through = found.block.durable_through;
  }

  void pass_over_gap(std::uint64_t number, std::uint64_t from, std::uint64_t to) {
    files_.note(segment_name(number), from,
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
      files_.damage(name, offset, "a batch matches its checksum and holds what this program never writes",
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
      files_.note(segment_name(passed.segment), passed.extent.begin,
                  "unreadable bytes behind the last batch; the log goes on without a gap in " + segment_name(number));
    }
    garbage_.clear();
    if (!sealed_ && number != scan_.checkpoint.first_segment) {
      files_.note(segment_name(scan_.end.segment), scan_.end.offset,
                  "the seal is missing; the log goes on without a gap in " + segment_name(number));
    }
    scan_.reserves.clear();
  }

  void judge_end() {
    if (scan_.next_sequence <= scan_.durable_through) {
      files_.damage(segment_name(scan_.end.segment), scan_.end.offset,
                    "the log ends after record " + std::to_string(scan_.next_sequence - 1) +
                        ", and says that it was durable up to record " + std::to_string(scan_.durable_through));
      return;
    }
    if (garbage_.size() > 1) {
      files_.damage(segment_name(garbage_.back().segment), garbage_.back().extent.begin,
                    "unreadable bytes here and in " + segment_name(garbage_.front().segment) +
                        "; a write that was cut off leaves only one such place");
      return;
    }
    if (garbage_.empty()) return;
    const Garbage& torn = garbage_.front();
    scan_.tail = Tail::torn;
    scan_.torn = Place{torn.segment, torn.end_of_blocks};
    scan_.torn_end = torn.extent.end;
    scan_.findings.push_back({Finding::Grade::torn, segment_name(torn.segment), torn.end_of_blocks,
                              "the last write was cut off, up to byte " + std::to_string(torn.extent.end) +
                                  "; it was never acknowledged, and the log is whole up to record " +
                                  std::to_string(scan_.next_sequence - 1),
                              "starting the coordinator goes on behind it, and so does `" +
                                  ctl_command("wal repair", files_.directory()) + "`"});
  }

  const RecordVisitor& visit_;
  Scan scan_;
  LogFiles files_;
  SegmentBytes segment_;  ///< The one that is being read; its memory serves the next one as well.
  bool sealed_ = false;   ///< The segment that holds the end so far says that the log goes on in the next one.
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

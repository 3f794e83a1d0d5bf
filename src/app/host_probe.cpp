#include "app/host_probe.hpp"

#include "app/text.hpp"

namespace assent::app {

DoctorFinding judge_clock(const std::string& participant, std::chrono::milliseconds ahead) {
  const auto apart = ahead < ahead.zero() ? -ahead : ahead;
  DoctorFinding finding;
  finding.probe = "clock";
  finding.seen = "that of " + participant + "'s server is " + shown_age(apart.count()) +
                 (ahead < ahead.zero() ? " behind" : " ahead of") + " this host's";
  if (apart > kClocksApartMax) {
    finding.grade = DoctorFinding::Grade::warning;
    finding.remedy =
        "synchronise both with NTP (timedatectl set-ntp true): ages and times shown are wrong by as much, "
        "what commits is not";
  }
  return finding;
}

}  // namespace assent::app

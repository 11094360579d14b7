#pragma once

// The layer's counters in Prometheus's words. Names are a promise (design: "Metrics").

#include <string>
#include <utility>
#include <vector>

#include "forebay/layer.h"

namespace forebay::observe {

enum class MetricKind : unsigned char { kCounter, kGauge, kHistogram };

struct MetricSample {
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;  // kHistogram: the sum of what was observed
  // kHistogram: how many were observed in each bucket, and the buckets' upper bounds; one bucket more than
  // bounds.
  std::vector<std::uint64_t> buckets = {};
  std::vector<double> bounds = {};
};

struct Metric {
  std::string name;
  std::string help;
  MetricKind kind = MetricKind::kCounter;
  std::vector<MetricSample> samples;
};

std::vector<Metric> layer_metrics(const LayerStats& stats);

// The text exposition format, version 0.0.4.
std::string render(const std::vector<Metric>& metrics);

}  // namespace forebay::observe

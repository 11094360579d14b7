#include "cli/simulate/curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>

namespace forebay::cli::simulate {
namespace {

// The picture's parts, in its own units.
constexpr double kWidth = 900;
constexpr double kHeight = 520;
constexpr double kLeft = 70;
constexpr double kRight = 720;  // what is right of it is the legend's
constexpr double kTop = 50;
constexpr double kBottom = 460;
constexpr double kLegendLine = 20;

// Okabe and Ito's colours, told apart by readers with any kind of colour vision; black last, and without the
// yellow, which is too light for a line. Lines beyond them are dashed.
constexpr std::string_view kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                         "#e69f00", "#56b4e9", "#000000"};
constexpr std::string_view kDashes[] = {"", "7 4", "2 3"};

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // Other control characters may not stand in XML at all.
        out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
  }
  return out;
}

// A range of the data and where it lies in the picture.
struct Scale {
  double low, high;   // of the data
  double start, end;  // in the picture
  double operator()(double value) const { return start + (value - low) / (high - low) * (end - start); }
};

std::string size_label(double size, SizeAxis axis) {
  static constexpr const char* kEntryUnits[] = {"", "k", "M", "G"};
  static constexpr const char* kByteUnits[] = {" B", " KiB", " MiB", " GiB", " TiB"};
  const double base = axis == SizeAxis::kBytes ? 1024 : 1000;
  const std::size_t most = axis == SizeAxis::kBytes ? std::size(kByteUnits) : std::size(kEntryUnits);
  std::size_t unit = 0;
  for (; size >= base && unit + 1 < most; ++unit) size /= base;
  return fmt::format("{:.4g}{}", size, axis == SizeAxis::kBytes ? kByteUnits[unit] : kEntryUnits[unit]);
}

// 1, 2, 5, 10, … for entries, powers of two for bytes: few enough to be read, within the range.
std::vector<double> size_ticks(double low, double high, SizeAxis axis) {
  constexpr std::size_t kMost = 9;
  std::vector<double> ticks;
  if (axis == SizeAxis::kBytes) {
    for (double tick = std::exp2(std::ceil(std::log2(low))); tick <= high; tick *= 2) ticks.push_back(tick);
  } else {
    for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10) {
      for (const double step : {1, 2, 5}) {
        if (power * step >= low && power * step <= high) ticks.push_back(power * step);
      }
    }
  }
  while (ticks.size() > kMost) {
    std::vector<double> fewer;
    const std::size_t step = axis == SizeAxis::kBytes ? 2 : 3;
    for (std::size_t i = 0; i < ticks.size(); i += step) fewer.push_back(ticks[i]);
    ticks = std::move(fewer);
  }
  return ticks;
}

class Drawing {
 public:
  Drawing(SizeAxis axis, const std::vector<Curve>& curves) : axis_(axis), curves_(curves) {
    double smallest = INFINITY;
    double largest = 0;
    double lowest = 1;
    double highest = 0;
    for (const Curve& curve : curves) {
      for (const CurvePoint& point : curve.points) {
        smallest = std::min(smallest, point.size);
        largest = std::max(largest, point.size);
        lowest = std::min(lowest, point.miss_ratio);
        highest = std::max(highest, point.miss_ratio);
      }
    }
    if (smallest == largest) {  // one size: a point in the middle
      smallest /= 2;
      largest *= 2;
    }
    x_ = {std::log(smallest), std::log(largest), kLeft, kRight};
    // From the tenth below to the tenth above; the numbers at the axis say that it may not begin at 0.
    const double bottom = std::floor(lowest * 10) / 10;
    const double top = std::max(std::ceil(highest * 10) / 10, bottom + 0.1);
    y_ = {bottom, top, kBottom, kTop};
  }

  std::string draw(std::string_view title) {
    put("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"sans-serif\" font-size=\"13\">\n"
        "<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n",
        kWidth, kHeight);
    label(kLeft, kTop - 22, "start", fmt::format("{}: miss ratio by cache size", title), " font-size=\"16\"");
    draw_axes();
    for (std::size_t i = 0; i < curves_.size(); ++i) draw_curve(i);
    draw_legend();
    put("</svg>\n");
    return std::move(svg_);
  }

 private:
  template <class... Values>
  void put(fmt::format_string<Values...> format, Values&&... values) {
    fmt::format_to(std::back_inserter(svg_), format, std::forward<Values>(values)...);
  }
  void label(double x, double y, std::string_view anchor, std::string_view text, std::string_view more = {}) {
    put("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y, anchor, more,
        escaped(text));
  }
  void line(double x1, double y1, double x2, double y2, std::string_view style) {
    put("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1, x2, y2, style);
  }
  static std::string style_of(std::size_t index) {
    const std::string_view dash = kDashes[index / std::size(kColours) % std::size(kDashes)];
    return fmt::format("stroke=\"{}\" stroke-width=\"2\"{}", kColours[index % std::size(kColours)],
                       dash.empty() ? "" : fmt::format(" stroke-dasharray=\"{}\"", dash));
  }

  void draw_axes() {
    constexpr std::string_view kGrid = "stroke=\"#dddddd\"";
    const double range = y_.high - y_.low;
    const double step = range > 0.55 ? 0.1 : range > 0.25 ? 0.05 : 0.02;
    for (int i = 0; y_.low + i * step <= y_.high + step / 100; ++i) {
      const double at = y_.low + i * step;
      line(kLeft, y_(at), kRight, y_(at), kGrid);
      label(kLeft - 8, y_(at) + 4, "end", fmt::format("{:.2f}", at));
    }
    for (const double tick :
         size_ticks(std::exp(x_.low) * (1 - 1e-9), std::exp(x_.high) * (1 + 1e-9), axis_)) {
      const double x = x_(std::log(tick));
      line(x, kTop, x, kBottom, kGrid);
      label(x, kBottom + 18, "middle", size_label(tick, axis_));
    }
    constexpr std::string_view kAxis = "stroke=\"#000000\"";
    line(kLeft, kBottom, kRight, kBottom, kAxis);
    line(kLeft, kTop, kLeft, kBottom, kAxis);
    label((kLeft + kRight) / 2, kBottom + 42, "middle",
          axis_ == SizeAxis::kBytes ? "cache size in bytes (log)" : "cache size in entries (log)");
    label(0, 0, "middle", "miss ratio",
          fmt::format(" transform=\"translate(22 {}) rotate(-90)\"", (kTop + kBottom) / 2));
  }

  void draw_curve(std::size_t index) {
    const Curve& curve = curves_[index];
    put("<polyline fill=\"none\" {} points=\"", style_of(index));
    for (const CurvePoint& point : curve.points)
      put("{:.1f},{:.1f} ", x_(std::log(point.size)), y_(point.miss_ratio));
    put("\"/>\n");
    for (const CurvePoint& point : curve.points) {
      put("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"{}\"/>\n", x_(std::log(point.size)),
          y_(point.miss_ratio), kColours[index % std::size(kColours)]);
    }
  }

  void draw_legend() {
    for (std::size_t i = 0; i < curves_.size(); ++i) {
      const double y = kTop + 8 + static_cast<double>(i) * kLegendLine;
      line(kRight + 20, y, kRight + 50, y, style_of(i));
      label(kRight + 58, y + 4, "start", curves_[i].name);
    }
  }

  SizeAxis axis_;
  const std::vector<Curve>& curves_;
  Scale x_{};
  Scale y_{};
  std::string svg_;
};

}  // namespace

std::string draw_curves(std::string_view title, SizeAxis axis, const std::vector<Curve>& curves) {
  return Drawing(axis, curves).draw(title);
}

}  // namespace forebay::cli::simulate

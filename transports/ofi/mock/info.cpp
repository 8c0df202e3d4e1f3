// SPDX-License-Identifier: Apache-2.0
// mock_getinfo: which providers fit the hints, as fi_getinfo(3) says. A provider fits when it has every
// capability asked for, when the application offers every mode and mr_mode bit it needs, and when no size,
// order or count asked for is beyond its own.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <array>

#include <harness/transports/ofi/mock/mock.hpp>
#include <harness/transports/ofi/mock/profile.hpp>

namespace harness::transports::ofi::mock {

namespace {

// Capabilities a provider adds without being asked (fi_getinfo(3), "secondary").
constexpr std::uint64_t secondary = FI_MULTI_RECV | FI_SOURCE | FI_FENCE | FI_LOCAL_COMM | FI_REMOTE_COMM;
constexpr std::uint64_t tx_caps = FI_MSG | FI_RMA | FI_ATOMIC | FI_READ | FI_WRITE | FI_SEND | FI_FENCE;
constexpr std::uint64_t rx_caps =
    FI_MSG | FI_RMA | FI_ATOMIC | FI_RECV | FI_REMOTE_READ | FI_REMOTE_WRITE | FI_MULTI_RECV | FI_SOURCE;
constexpr std::uint64_t tx_flags =
    FI_INJECT | FI_COMPLETION | FI_INJECT_COMPLETE | FI_TRANSMIT_COMPLETE | FI_DELIVERY_COMPLETE;

bool only(std::uint64_t asked, std::uint64_t had) { return (asked & ~had) == 0; }

template <class T>
T* zeroed() {
  return static_cast<T*>(calloc(1, sizeof(T)));  // malloc's, because the library's fi_freeinfo frees it too
}

template <class T>
T* copied(const T* from, std::size_t count = 1) {
  if (from == nullptr || count == 0) return nullptr;
  auto* made = static_cast<T*>(malloc(count * sizeof(T)));
  memcpy(made, from, count * sizeof(T));
  return made;
}

char* copied_text(const char* from) { return from == nullptr ? nullptr : strdup(from); }

int needed_mr_mode(const Profile& profile, std::uint64_t caps) {
  return (caps & (FI_RMA | FI_ATOMIC)) != 0 ? profile.mr_mode : profile.mr_mode & FI_MR_LOCAL;
}

bool fits(const Profile& profile, const Knobs& knobs, const fi_tx_attr& asked) {
  return only(asked.caps, profile.caps) && only(asked.op_flags, tx_flags) &&
         only(asked.msg_order, profile.order) && asked.comp_order == FI_ORDER_NONE &&
         asked.inject_size <= profile.inject_bytes && asked.size <= knobs.tx &&
         asked.iov_limit <= profile.iov_limit && asked.rma_iov_limit <= profile.places_limit;
}

bool fits(const Profile& profile, const Knobs& knobs, const fi_rx_attr& asked) {
  const std::uint64_t comp_order = profile.receives_in_order ? FI_ORDER_STRICT : FI_ORDER_NONE;
  return only(asked.caps, profile.caps) && only(asked.op_flags, FI_COMPLETION | FI_MULTI_RECV) &&
         only(asked.msg_order, profile.order) && only(asked.comp_order, comp_order) &&
         asked.size <= knobs.rx && asked.iov_limit <= profile.iov_limit;
}

bool fits(const Profile& profile, const fi_ep_attr& asked) {
  return (asked.type == FI_EP_UNSPEC || asked.type == FI_EP_RDM) &&
         (asked.protocol == FI_PROTO_UNSPEC || asked.protocol == profile.protocol) &&
         asked.max_msg_size <= message_bytes_max && asked.tx_ctx_cnt <= 1 && asked.rx_ctx_cnt <= 1;
}

bool fits(const Profile& profile, std::uint64_t caps, const fi_domain_attr& asked) {
  const int needed = needed_mr_mode(profile, caps);
  const bool named = asked.name == nullptr || strcmp(asked.name, profile.domain) == 0;
  const bool threads = asked.threading == FI_THREAD_UNSPEC || asked.threading == FI_THREAD_DOMAIN;
  const bool manual = asked.control_progress != FI_PROGRESS_AUTO && asked.data_progress != FI_PROGRESS_AUTO;
  return named && threads && manual && asked.av_type != FI_AV_MAP && (asked.mr_mode & needed) == needed &&
         asked.cq_data_size <= profile.cq_data_bytes;
}

bool fits(const Profile& profile, const fi_fabric_attr& asked) {
  return (asked.prov_name == nullptr || strcmp(asked.prov_name, profile.provider) == 0) &&
         (asked.name == nullptr || strcmp(asked.name, profile.provider) == 0);
}

bool fits(const Profile& profile, const Knobs& knobs, const fi_info& hints) {
  const std::uint64_t caps = hints.caps != 0 ? hints.caps : profile.caps;
  return only(hints.caps, profile.caps) && only(profile.mode, hints.mode) &&
         (hints.addr_format == FI_FORMAT_UNSPEC || hints.addr_format == FI_ADDR_STR) &&
         (hints.tx_attr == nullptr || fits(profile, knobs, *hints.tx_attr)) &&
         (hints.rx_attr == nullptr || fits(profile, knobs, *hints.rx_attr)) &&
         (hints.ep_attr == nullptr || fits(profile, *hints.ep_attr)) &&
         (hints.domain_attr == nullptr || fits(profile, caps, *hints.domain_attr)) &&
         (hints.fabric_attr == nullptr || fits(profile, *hints.fabric_attr));
}

std::size_t chosen(std::size_t asked, std::size_t otherwise) { return asked != 0 ? asked : otherwise; }

void answer_queues(fi_info& info, const Profile& profile, const Knobs& knobs, const fi_info* hints) {
  const fi_tx_attr* tx = hints == nullptr ? nullptr : hints->tx_attr;
  const fi_rx_attr* rx = hints == nullptr ? nullptr : hints->rx_attr;
  *info.tx_attr = {.caps = info.caps & tx_caps,
                   .mode = info.mode,
                   .op_flags = tx == nullptr ? 0 : tx->op_flags,
                   .msg_order = profile.order,
                   .comp_order = FI_ORDER_NONE,
                   .inject_size = profile.inject_bytes,
                   .size = chosen(tx == nullptr ? 0 : tx->size, knobs.tx),
                   .iov_limit = profile.iov_limit,
                   .rma_iov_limit = profile.places_limit,
                   .tclass = 0};
  *info.rx_attr = {.caps = info.caps & rx_caps,
                   .mode = info.mode,
                   .op_flags = rx == nullptr ? 0 : rx->op_flags,
                   .msg_order = profile.order,
                   .comp_order = profile.receives_in_order ? FI_ORDER_STRICT : FI_ORDER_NONE,
                   .total_buffered_recv = 0,
                   .size = chosen(rx == nullptr ? 0 : rx->size, knobs.rx),
                   .iov_limit = profile.iov_limit};
}

void answer_domain(fi_info& info, const Profile& profile) {
  fi_domain_attr& domain = *info.domain_attr;
  domain.name = copied_text(profile.domain);
  domain.threading = FI_THREAD_DOMAIN;
  domain.control_progress = domain.data_progress = FI_PROGRESS_MANUAL;
  domain.resource_mgmt = FI_RM_ENABLED;  // verbs says so too, and does not guard its queues
  domain.av_type = FI_AV_TABLE;
  domain.mr_mode = needed_mr_mode(profile, info.caps);
  domain.mr_key_size = profile.key_bytes;
  domain.cq_data_size = profile.cq_data_bytes;
  domain.cq_cnt = domain.ep_cnt = domain.tx_ctx_cnt = domain.rx_ctx_cnt = 64;
  domain.max_ep_tx_ctx = domain.max_ep_rx_ctx = 1;
  domain.mr_iov_limit = 1;
  domain.mr_cnt = 65536;
  domain.max_err_data = 64;
  domain.caps = info.caps & (FI_LOCAL_COMM | FI_REMOTE_COMM);
  info.ep_attr->type = FI_EP_RDM;
  info.ep_attr->protocol = profile.protocol;
  info.ep_attr->protocol_version = 1;
  info.ep_attr->max_msg_size = message_bytes_max;
  const bool waw = (profile.order & FI_ORDER_WAW) != 0;
  const bool raw = (profile.order & FI_ORDER_RAW) != 0;
  info.ep_attr->max_order_waw_size = waw ? message_bytes_max : 0;
  info.ep_attr->max_order_raw_size = raw ? message_bytes_max : 0;
  info.ep_attr->tx_ctx_cnt = info.ep_attr->rx_ctx_cnt = 1;
}

fi_info* answer(const Profile& profile, const Knobs& knobs, std::uint32_t version, const fi_info* hints) {
  fi_info* info = mock_dupinfo(nullptr);
  const std::uint64_t asked = hints == nullptr ? 0 : hints->caps;
  info->caps = asked == 0 ? profile.caps : asked | (profile.caps & secondary);
  info->mode = profile.mode;
  info->addr_format = FI_ADDR_STR;
  answer_domain(*info, profile);
  answer_queues(*info, profile, knobs, hints);
  info->fabric_attr->name = copied_text(profile.provider);
  info->fabric_attr->prov_name = copied_text(profile.provider);
  info->fabric_attr->prov_version = FI_VERSION(1, 0);
  info->fabric_attr->api_version = version;
  return info;
}

}  // namespace

std::uint32_t mock_version() { return FI_VERSION(1, 17); }

const char* mock_strerror(int number) {
  switch (number < 0 ? -number : number) {
    case FI_EOTHER: return "unspecified error";
    case FI_ETOOSMALL: return "the buffer is too small";
    case FI_EOPBADSTATE: return "not permitted in this state";
    case FI_EAVAIL: return "an error is available";
    case FI_EBADFLAGS: return "flags not supported";
    case FI_ENOCQ: return "no completion queue";
    case FI_ETRUNC: return "truncated";
    case FI_ENOKEY: return "the key is not available";
    case FI_ENOAV: return "no address vector";
    case FI_EOVERRUN: return "a queue has been overrun";
    case FI_ENORX: return "the receiver has no receive posted";
    default: break;
  }
  const char* text = strerrordesc_np(number < 0 ? -number : number);
  return text == nullptr ? "unknown error" : text;
}

int mock_getinfo(std::uint32_t version, const char* node, const char*, std::uint64_t, const fi_info* hints,
                 fi_info** info) {
  *info = nullptr;
  if (FI_VERSION_LT(mock_version(), version)) return -FI_ENOSYS;
  const char* text = getenv("HARNESS_MOCK");
  const auto knobs = parse_knobs(text == nullptr ? "" : text);
  if (!knobs) {
    const std::string words = knobs.error().text() + "\n";
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, words.data(), words.size());
    return -FI_EINVAL;
  }
  fi_info** last = info;
  for (Profile profile : profiles(knobs->raw != 0)) {
    if (knobs->atomics == 0) profile.caps &= ~std::uint64_t{FI_ATOMIC};
    if (node != nullptr && !profile.named_by_host) continue;
    if (hints != nullptr && !fits(profile, *knobs, *hints)) continue;
    *last = answer(profile, *knobs, version, hints);
    last = &(*last)->next;
  }
  return *info == nullptr ? -FI_ENODATA : 0;
}

fi_info* mock_dupinfo(const fi_info* info) {
  auto* made = info == nullptr ? zeroed<fi_info>() : copied(info);
  if (info == nullptr) {
    made->tx_attr = zeroed<fi_tx_attr>();
    made->rx_attr = zeroed<fi_rx_attr>();
    made->ep_attr = zeroed<fi_ep_attr>();
    made->domain_attr = zeroed<fi_domain_attr>();
    made->fabric_attr = zeroed<fi_fabric_attr>();
    return made;
  }
  made->next = nullptr;
  made->src_addr = copied(static_cast<const char*>(info->src_addr), info->src_addrlen);
  made->dest_addr = copied(static_cast<const char*>(info->dest_addr), info->dest_addrlen);
  made->tx_attr = copied(info->tx_attr);
  made->rx_attr = copied(info->rx_attr);
  made->ep_attr = copied(info->ep_attr);
  made->domain_attr = copied(info->domain_attr);
  made->fabric_attr = copied(info->fabric_attr);
  if (made->domain_attr != nullptr) made->domain_attr->name = copied_text(info->domain_attr->name);
  if (made->fabric_attr != nullptr) {
    made->fabric_attr->name = copied_text(info->fabric_attr->name);
    made->fabric_attr->prov_name = copied_text(info->fabric_attr->prov_name);
  }
  return made;
}

void mock_freeinfo(fi_info* info) {
  while (info != nullptr) {
    fi_info* next = info->next;
    if (info->domain_attr != nullptr) free(info->domain_attr->name);
    if (info->fabric_attr != nullptr) {
      free(info->fabric_attr->name);
      free(info->fabric_attr->prov_name);
    }
    for (void* part : {info->src_addr, info->dest_addr, static_cast<void*>(info->tx_attr),
                       static_cast<void*>(info->rx_attr), static_cast<void*>(info->ep_attr),
                       static_cast<void*>(info->domain_attr), static_cast<void*>(info->fabric_attr)})
      free(part);
    free(info);
    info = next;
  }
}

}  // namespace harness::transports::ofi::mock

/* The layout of every struct of the SDK on a 64-bit system, member by member. A number here changes only when a released
 * interface is broken, which sdk/doc/abi.md forbids within a major; members may be added behind the last. */
#include <winnow/choice.h>
#include <winnow/device.h>
#include <winnow/memory.h>
#include <winnow/sampler.h>
#include <winnow/search.h>
#include <winnow/verifier.h>
#include <winnow/workload.h>

#define AT(type, member, offset) _Static_assert(offsetof(type, member) == (offset), #type "." #member " has moved")
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " has another size")

SIZE(wn_error, 1024);
AT(wn_error, code, 0);
AT(wn_error, message, 4);

SIZE(wn_image, 16);
AT(wn_image, width_px, 0);
AT(wn_image, height_px, 4);
AT(wn_image, rgb, 8);

SIZE(wn_prompt, 32);
AT(wn_prompt, text, 0);
AT(wn_prompt, id, 8);
AT(wn_prompt, category, 16);
AT(wn_prompt, json, 24);

SIZE(wn_host, 112);
AT(wn_host, struct_size, 0);
AT(wn_host, ctx, 8);
AT(wn_host, log, 16);
AT(wn_host, cancelled, 24);
AT(wn_host, progress, 32);
AT(wn_host, parallel_for, 40);
AT(wn_host, thread_count, 48);
AT(wn_host, normal_f32, 56);
AT(wn_host, resolve, 64);
AT(wn_host, open_device, 72);
AT(wn_host, input, 80);
AT(wn_host, uses_file, 88);
AT(wn_host, extension, 96);
AT(wn_host, device_info, 104);

SIZE(wn_option, 56);
AT(wn_option, name, 0);
AT(wn_option, type, 8);
AT(wn_option, offset, 12);
AT(wn_option, fallback, 16);
AT(wn_option, minimum, 24);
AT(wn_option, maximum, 32);
AT(wn_option, choices, 40);
AT(wn_option, help, 48);

SIZE(wn_plugin, 88);
AT(wn_plugin, struct_size, 0);
AT(wn_plugin, kind, 8);
AT(wn_plugin, name, 16);
AT(wn_plugin, version, 24);
AT(wn_plugin, summary, 32);
AT(wn_plugin, source, 40);
AT(wn_plugin, options, 48);
AT(wn_plugin, options_size, 56);
AT(wn_plugin, create, 64);
AT(wn_plugin, destroy, 72);
AT(wn_plugin, vtable, 80);

SIZE(wn_module, 40);
AT(wn_module, struct_size, 0);
AT(wn_module, abi_major, 8);
AT(wn_module, abi_minor, 16);
AT(wn_module, plugins, 24);
AT(wn_module, plugin_count, 32);

SIZE(wn_canvas, 32);
AT(wn_canvas, struct_size, 0);
AT(wn_canvas, width_px, 8);
AT(wn_canvas, height_px, 12);
AT(wn_canvas, steps, 16);
AT(wn_canvas, reserved, 20);
AT(wn_canvas, extra, 24);

SIZE(wn_sampler_info, 296); /* never grows: plugins fill it */
AT(wn_sampler_info, struct_size, 0);
AT(wn_sampler_info, parametrisation, 8);
AT(wn_sampler_info, flags, 16);
AT(wn_sampler_info, latent_channels, 24);
AT(wn_sampler_info, latent_stride_px, 32);
AT(wn_sampler_info, size_multiple_px, 40);
AT(wn_sampler_info, min_size_px, 48);
AT(wn_sampler_info, max_size_px, 56);
AT(wn_sampler_info, evals_per_velocity, 64);
AT(wn_sampler_info, max_batch, 72);
AT(wn_sampler_info, model_key, 80);
AT(wn_sampler_info, usual_size_px, 152);
AT(wn_sampler_info, usual_steps, 160);
AT(wn_sampler_info, reserved, 168);

SIZE(wn_memory_item, 24);
AT(wn_memory_item, before, 0);
AT(wn_memory_item, after, 8);
AT(wn_memory_item, has_after, 16);
AT(wn_memory_item, is_reused, 20);

AT(wn_memory, struct_size, 0);
AT(wn_memory, bytes, 8);
AT(wn_memory, velocity, 16);

SIZE(wn_velocity_item, 32);
AT(wn_velocity_item, x, 0);
AT(wn_velocity_item, v, 8);
AT(wn_velocity_item, cond, 16);
AT(wn_velocity_item, sigma, 24);
AT(wn_velocity_item, reserved, 28);

SIZE(wn_sampler, 80);
AT(wn_sampler, struct_size, 0);
AT(wn_sampler, canvas_options, 8);
AT(wn_sampler, canvas_options_size, 16);
AT(wn_sampler, describe, 24);
AT(wn_sampler, schedule, 32);
AT(wn_sampler, encode, 40);
AT(wn_sampler, cond_free, 48);
AT(wn_sampler, velocity, 56);
AT(wn_sampler, decode, 64);
AT(wn_sampler, extension, 72);

SIZE(wn_metric, 40);
AT(wn_metric, name, 0);
AT(wn_metric, help, 8);
AT(wn_metric, low, 16);
AT(wn_metric, high, 24);
AT(wn_metric, flags, 32);

SIZE(wn_score_request, 48);
AT(wn_score_request, struct_size, 0);
AT(wn_score_request, count, 8);
AT(wn_score_request, prompts, 16);
AT(wn_score_request, images, 24);
AT(wn_score_request, previews, 32);
AT(wn_score_request, scores, 40);

SIZE(wn_verifier_info, 128); /* never grows: plugins fill it */
AT(wn_verifier_info, struct_size, 0);
AT(wn_verifier_info, metrics, 8);
AT(wn_verifier_info, metric_count, 16);
AT(wn_verifier_info, flags, 24);
AT(wn_verifier_info, max_batch, 32);
AT(wn_verifier_info, preview_sigma, 40);
AT(wn_verifier_info, reserved, 48);

SIZE(wn_verifier, 80);
AT(wn_verifier, struct_size, 0);
AT(wn_verifier, metrics, 8);
AT(wn_verifier, metric_count, 16);
AT(wn_verifier, flags, 24);
AT(wn_verifier, max_batch, 32);
AT(wn_verifier, min_inputs, 40);
AT(wn_verifier, max_inputs, 48);
AT(wn_verifier, preview_sigma, 56);
AT(wn_verifier, score, 64);
AT(wn_verifier, describe, 72);

SIZE(wn_verifier_ref, 40);
AT(wn_verifier_ref, struct_size, 0);
AT(wn_verifier_ref, name, 8);
AT(wn_verifier_ref, verifier, 16);
AT(wn_verifier_ref, self, 24);
AT(wn_verifier_ref, identity, 32);

SIZE(wn_kernel, 16);
AT(wn_kernel, kind, 0);
AT(wn_kernel, scale, 8);

SIZE(wn_env, 232);
AT(wn_env, struct_size, 0);
AT(wn_env, ctx, 8);
AT(wn_env, prompt, 16);
AT(wn_env, steps, 24);
AT(wn_env, sigma, 32);
AT(wn_env, latent_values, 40);
AT(wn_env, latent_channels, 48);
AT(wn_env, latent_height, 56);
AT(wn_env, latent_width, 64);
AT(wn_env, evals_per_velocity, 72);
AT(wn_env, batch_hint, 80);
AT(wn_env, budget_left, 88);
AT(wn_env, noise, 96);
AT(wn_env, random_u64, 104);
AT(wn_env, spawn, 112);
AT(wn_env, clone, 120);
AT(wn_env, drop, 128);
AT(wn_env, advance, 136);
AT(wn_env, renoise, 144);
AT(wn_env, kick_cps, 152);
AT(wn_env, peek, 160);
AT(wn_env, score, 168);
AT(wn_env, offer, 176);
AT(wn_env, cost, 184);
AT(wn_env, blend, 192);
AT(wn_env, kick, 200);
AT(wn_env, guide_compares, 208);
AT(wn_env, shrink, 216);
AT(wn_env, shrunk_sigma, 224);

SIZE(wn_search_plan, 128); /* never grows: plugins fill it */
AT(wn_search_plan, struct_size, 0);
AT(wn_search_plan, candidates, 8);
AT(wn_search_plan, nfe, 16);
AT(wn_search_plan, verifier_calls, 24);
AT(wn_search_plan, calls_again, 32);
AT(wn_search_plan, shrinks, 40);
AT(wn_search_plan, across_calls, 48);
AT(wn_search_plan, reserved, 56);

SIZE(wn_search, 56);
AT(wn_search, struct_size, 0);
AT(wn_search, flags, 8);
AT(wn_search, plan, 16);
AT(wn_search, run, 24);
AT(wn_search, part_options, 32);
AT(wn_search, part_options_size, 40);
AT(wn_search, check, 48);

SIZE(wn_question, 56);
AT(wn_question, struct_size, 0);
AT(wn_question, prompt, 8);
AT(wn_question, text, 16);
AT(wn_question, first, 24);
AT(wn_question, second, 32);
AT(wn_question, number, 40);
AT(wn_question, count, 48);

SIZE(wn_choice, 16);
AT(wn_choice, struct_size, 0);
AT(wn_choice, ask, 8);

SIZE(wn_search_part, 24);
AT(wn_search_part, plugin, 0);
AT(wn_search_part, options, 8);
AT(wn_search_part, own, 16);

SIZE(wn_search_parts, 24);
AT(wn_search_parts, struct_size, 0);
AT(wn_search_parts, count, 8);
AT(wn_search_parts, parts, 16);

SIZE(wn_tensor, 64);
AT(wn_tensor, name, 0);
AT(wn_tensor, role, 8);
AT(wn_tensor, dtype, 12);
AT(wn_tensor, rows, 16);
AT(wn_tensor, cols, 24);
AT(wn_tensor, base, 32);
AT(wn_tensor, flags, 36);
AT(wn_tensor, row0, 40);
AT(wn_tensor, col0, 48);
AT(wn_tensor, data, 56);

SIZE(wn_weight_part, 24);
AT(wn_weight_part, data, 0);
AT(wn_weight_part, dtype, 8);
AT(wn_weight_part, scale, 12);
AT(wn_weight_part, rows, 16);

SIZE(wn_weight, 128);
AT(wn_weight, name, 0);
AT(wn_weight, rows, 8);
AT(wn_weight, cols, 16);
AT(wn_weight, part, 24);
AT(wn_weight, part_count, 120);

SIZE(wn_op, 120);
AT(wn_op, kind, 0);
AT(wn_op, activation, 4);
AT(wn_op, in, 8);
AT(wn_op, weight, 24);
AT(wn_op, out, 32);
AT(wn_op, reserved, 36);
AT(wn_op, i, 40);
AT(wn_op, f, 104);

SIZE(wn_graph, 64);
AT(wn_graph, struct_size, 0);
AT(wn_graph, name, 8);
AT(wn_graph, tensors, 16);
AT(wn_graph, tensor_count, 24);
AT(wn_graph, weights, 32);
AT(wn_graph, weight_count, 40);
AT(wn_graph, ops, 48);
AT(wn_graph, op_count, 56);

SIZE(wn_device_info, 1152); /* never grows: plugins fill it */
AT(wn_device_info, struct_size, 0);
AT(wn_device_info, kind, 8);
AT(wn_device_info, memory_bytes, 16);
AT(wn_device_info, dtypes, 24);
AT(wn_device_info, name, 32);
AT(wn_device_info, vendor, 288);
AT(wn_device_info, driver, 352);
AT(wn_device_info, uuid, 480);
AT(wn_device_info, paths, 544);
AT(wn_device_info, reserved, 1056);

SIZE(wn_compile_options, 24);
AT(wn_compile_options, struct_size, 0);
AT(wn_compile_options, dtype, 8);
AT(wn_compile_options, max_items, 16);

SIZE(wn_binding, 16);
AT(wn_binding, tensor, 0);
AT(wn_binding, item, 4);
AT(wn_binding, data, 8);

SIZE(wn_op_profile, 32);
AT(wn_op_profile, name, 0);
AT(wn_op_profile, seconds, 8);
AT(wn_op_profile, flops, 16);
AT(wn_op_profile, bytes, 24);

SIZE(wn_device_api, 96);
AT(wn_device_api, struct_size, 0);
AT(wn_device_api, count, 8);
AT(wn_device_api, info, 16);
AT(wn_device_api, open, 24);
AT(wn_device_api, close, 32);
AT(wn_device_api, compile, 40);
AT(wn_device_api, free_program, 48);
AT(wn_device_api, run, 56);
AT(wn_device_api, memory, 64);
AT(wn_device_api, profile, 72);
AT(wn_device_api, plan, 80);
AT(wn_device_api, choose_way, 88);

SIZE(wn_workload_request, 96);
AT(wn_workload_request, host, 8);
AT(wn_workload_request, options, 16);
AT(wn_workload_request, synthetic, 24);
AT(wn_workload_request, width_px, 32);
AT(wn_workload_request, height_px, 40);
AT(wn_workload_request, steps, 48);
AT(wn_workload_request, text_tokens, 56);
AT(wn_workload_request, batch, 64);
AT(wn_workload_request, blocks, 72);
AT(wn_workload_request, tiles, 88);

SIZE(wn_workload_part, 160);
AT(wn_workload_part, name, 8);
AT(wn_workload_part, transient, 16);
AT(wn_workload_part, gives_way, 24);
AT(wn_workload_part, per_prompt, 32);
AT(wn_workload_part, max_items, 40);
AT(wn_workload_part, product_values, 48);
AT(wn_workload_part, odd_product_values, 56);
AT(wn_workload_part, other_values, 64);
AT(wn_workload_part, vector_values, 72);
AT(wn_workload_part, activation_bytes, 80);
AT(wn_workload_part, flops, 88);
AT(wn_workload_part, sample_bytes, 96);
AT(wn_workload_part, reserved, 104);

SIZE(wn_workload_api, 88);
AT(wn_workload_api, synthetic, 8);
AT(wn_workload_api, open, 16);
AT(wn_workload_api, close, 24);
AT(wn_workload_api, count, 32);
AT(wn_workload_api, resize, 40);
AT(wn_workload_api, part, 48);
AT(wn_workload_api, run, 56);
AT(wn_workload_api, profile, 64);
AT(wn_workload_api, memory, 72);
AT(wn_workload_api, release, 80);

int main(void)
{
    return 0; /* all was said at compile time */
}
